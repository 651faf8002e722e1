//! The options of `DropBlock`.

use wgpu_dropout::{BlockMask, BlockScaling, DropBlock, Mask};

use crate::{args::number, error::Error};

/// Blocks of neighbouring elements.
#[derive(clap::Args)]
pub struct BlockArgs {
    /// Drop whole blocks of these sizes along the last axes: 7,7 for pictures (DropBlock). Shared axes come before those
    #[arg(
        long, value_name = "SIZES", value_delimiter = ',', value_parser = number, allow_hyphen_values = true,
        conflicts_with_all = ["row_length", "row_pitch", "strides", "row_ids"]
    )]
    block: Option<Vec<u64>>,
}

/// What the elements outside of the blocks are multiplied by.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum BlockScale {
    /// All elements over those that are kept, counted over the whole array
    #[default]
    Count,
    /// The inverse of the probability to be kept
    Expected,
    /// Nothing: their bits stay
    None,
}

impl BlockArgs {
    pub const fn is_given(&self) -> bool {
        self.block.is_some()
    }

    /// The blocks that a mask's key names in an array of this shape. `mask` is the mask of the elements by themselves.
    pub fn mask(
        &self,
        p: f64,
        mask: &Mask,
        scale: BlockScale,
        shape: &[u64],
        shared: &[usize],
    ) -> Result<Option<BlockMask>, Error> {
        let Some(block) = &self.block else { return Ok(None) };
        let scaling = match scale {
            BlockScale::Count => BlockScaling::Count,
            BlockScale::Expected => BlockScaling::Expected,
            BlockScale::None => BlockScaling::None,
        };
        let drop_block = DropBlock::new(p, block)?.with_scaling(scaling).with_generator(mask.generator());
        let blocks = drop_block.with_training(mask.training()).shared_mask(mask.key(), shape, shared)?;
        Ok(Some(blocks.at(mask.view().start())?))
    }
}
