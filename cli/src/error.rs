use std::{
    io,
    path::{Path, PathBuf},
};

/// What ends a command early. Every message names the file and the value, and says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the library says: p, the index range, the device.
    #[error(transparent)]
    Library(#[from] wgpu_dropout::Error),

    /// A file that cannot be read, or does not hold what it should.
    #[error("input '{}': {problem}", path.display())]
    Input { path: PathBuf, problem: String },

    /// A file that cannot be written.
    #[error("output '{}': {problem}", path.display())]
    Output { path: PathBuf, problem: String },

    #[error("standard output cannot be written: {0}")]
    Stdout(io::Error),

    #[error("adapter {index} does not exist: choose one of these with --adapter, or --cpu\n{list}")]
    NoSuchAdapter { index: usize, list: String },

    /// Options that make no sense together, where that depends on their values.
    #[error("{0}")]
    Options(&'static str),

    #[error("bench: {0}")]
    Bench(#[from] wgpu_dropout_bench::Error),

    #[error("verify: {0}")]
    Verify(String),
}

impl Error {
    pub fn input(path: &Path, problem: impl Into<String>) -> Self {
        Self::Input { path: path.to_owned(), problem: problem.into() }
    }

    pub fn output(path: &Path, problem: impl Into<String>) -> Self {
        Self::Output { path: path.to_owned(), problem: problem.into() }
    }

    /// Whether the reader of a pipe has closed it.
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
