//! What can go wrong.

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("'{0}' is no grid: two numbers from 1 to 4096 with an x between them, as 2x2")]
    Grid(String),
    #[error(
        "a grid of {grid} needs {needed} processes, and mpirun started {started}; start {needed} of them with -n {needed}"
    )]
    Processes { grid: String, needed: usize, started: usize },
    #[error("{length} cannot be split into {parts} parts of one or more; take fewer processes, or more rows and units")]
    Parts { length: usize, parts: usize },
    #[error("MPI did not start; run this with mpirun")]
    Mpi,
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{path}: {reason}", path = path.display())]
    Content { path: PathBuf, reason: String },
    #[error(transparent)]
    Mask(#[from] wgpu_dropout::Error),
    #[error(transparent)]
    Dropout(#[from] wgpu_dropout_burn::Error),
}
