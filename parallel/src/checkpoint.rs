//! What a process needs to go on where it stopped.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Error, parameters::Parameters};

/// Of one process. No mask is in it, and no state of a random generator: the step's number names the masks.
#[derive(Serialize, Deserialize)]
pub struct Checkpoint {
    /// What it belongs to: a checkpoint of another grid, network or seed is refused.
    pub run: String,
    /// Steps done.
    pub steps: usize,
    pub own: State,
    /// Of the single process that the first one trains for comparison.
    pub single: Option<State>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct State {
    pub parameters: Parameters,
    pub velocity: Parameters,
}

impl Checkpoint {
    pub fn write(&self, folder: &Path, rank: usize) -> Result<(), Error> {
        let path = folder.join(format!("rank-{rank}.json"));
        let text = serde_json::to_string(self).expect("numbers have a text");
        write(&path, &text)
    }

    pub fn read(folder: &Path, rank: usize, run: &str) -> Result<Self, Error> {
        let path = folder.join(format!("rank-{rank}.json"));
        let text = fs::read_to_string(&path).map_err(|source| Error::File { path: path.clone(), source })?;
        let read: Self = serde_json::from_str(&text)
            .map_err(|error| Error::Content { path: path.clone(), reason: error.to_string() })?;
        if read.run != run {
            let reason = format!("it belongs to {}, and this is {run}", read.run);
            return Err(Error::Content { path, reason });
        }
        Ok(read)
    }
}

/// Writes a file whole, or not at all.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    let error = |source| Error::File { path: path.into(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(error)?;
    }
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, path)).map_err(error)
}
