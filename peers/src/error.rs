//! What can go wrong in the comparison.

/// What can go wrong in the comparison.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Harness(#[from] wgpu_dropout_bench::Error),
    #[error(transparent)]
    Library(#[from] wgpu_dropout::Error),
    #[error("there is no adapter {wanted}: {found}; choose one with --adapter N")]
    Adapter { wanted: String, found: String },
    #[error("{peer} failed: {what}")]
    Peer { peer: &'static str, what: String },
    #[error("{peer} opened another adapter, '{opened}', than '{wanted}': a comparison would mean nothing")]
    OtherAdapter { peer: &'static str, opened: String, wanted: String },
    #[error("{op} is wrong at n = {n} ({what}): it is not timed")]
    Wrong { op: String, n: u64, what: String },
    #[error("cannot write '{path}': {source}; give another path to --json")]
    Write { path: String, source: std::io::Error },
    #[error("nothing could be timed at n = {n}; choose other sizes with --powers")]
    NothingTimed { n: u64 },
}

impl Error {
    /// An error of a library that is compared.
    pub fn peer(peer: &'static str, what: impl std::fmt::Display) -> Self {
        Self::Peer { peer, what: what.to_string() }
    }
}
