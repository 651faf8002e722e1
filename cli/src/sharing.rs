//! The options that say which decision governs which element of an array.

use std::path::PathBuf;

use wgpu_dropout::{Mask, View};

use crate::{args::number, error::Error, input};

/// One decision for many elements, or another order of them.
#[derive(clap::Args)]
pub struct SharingArgs {
    /// Axes that share a decision, 0-based: 2,3 drops whole channels of (N, C, H, W)
    #[arg(long, value_name = "AXES", value_delimiter = ',', conflicts_with_all = ["row_length", "row_pitch", "strides"])]
    share: Option<Vec<usize>>,

    /// Decisions from one coordinate to the next, for each axis: of a shard, those of the whole
    #[arg(
        long, value_name = "STRIDES", value_delimiter = ',', value_parser = number, allow_hyphen_values = true,
        conflicts_with_all = ["row_length", "row_pitch"]
    )]
    strides: Option<Vec<u64>>,

    /// An .npy array of '<u4' with an id for each row of axis 0: row r takes the decisions of row IDS[r]
    #[arg(long, value_name = "IDS.npy", conflicts_with_all = ["row_length", "row_pitch"])]
    row_ids: Option<PathBuf>,
}

impl SharingArgs {
    /// Whether any of them is given.
    pub fn is_given(&self) -> bool {
        self.share.is_some() || self.strides.is_some() || self.row_ids.is_some()
    }

    /// The axes that share a decision.
    pub fn shared(&self) -> &[usize] {
        self.share.as_deref().unwrap_or_default()
    }

    /// The mask of an array of this shape, and the ids of its rows.
    pub fn mask(&self, mask: Mask, shape: &[u64]) -> Result<(Mask, Option<Vec<u32>>), Error> {
        if !self.is_given() {
            return Ok((mask, None));
        }
        let start = mask.view().start();
        let view = match &self.strides {
            Some(strides) => View::strided(start, shape, strides)?,
            None => View::shared(start, shape, self.shared())?,
        };
        let Some(path) = &self.row_ids else { return Ok((mask.at(view), None)) };
        let mask = mask.at(view.gathered()?);
        let ids = input::read_row_ids(path)?;
        if ids.len() as u64 != mask.view().row_ids() {
            let problem = format!(
                "it has {} ids, and axis 0 has {} rows: give an id for each row",
                ids.len(),
                mask.view().row_ids()
            );
            return Err(Error::input(path, problem));
        }
        Ok((mask, Some(ids)))
    }
}
