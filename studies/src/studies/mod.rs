//! The studies, in the order of the page. Each is a file with a `STUDY`.

use crate::Study;

mod adaptive_l2;
mod drop_block;
mod ensemble;
mod inverted_standard;
mod l2;
mod low_rank;
mod nwgm;
mod scale;
mod unbiased;
mod variance_shift;

/// All of them.
pub const ALL: &[Study] = &[
    unbiased::STUDY,
    inverted_standard::STUDY,
    l2::STUDY,
    ensemble::STUDY,
    nwgm::STUDY,
    adaptive_l2::STUDY,
    low_rank::STUDY,
    variance_shift::STUDY,
    drop_block::STUDY,
    scale::STUDY,
];
