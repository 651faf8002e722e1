//! The studies, in the order of the page. Each is a file with a `STUDY`.

use crate::Study;

mod adaptive_l2;
mod batch_norm;
mod co_adaptation;
mod drop_block;
mod drop_connect;
mod ensemble;
mod inverted_standard;
mod l2;
mod low_rank;
mod monte_carlo;
mod nwgm;
mod regression;
mod scale;
mod unbiased;
mod variance_shift;
mod weight_scaling;

/// All of them.
pub const ALL: &[Study] = &[
    unbiased::STUDY,
    inverted_standard::STUDY,
    l2::STUDY,
    ensemble::STUDY,
    weight_scaling::STUDY,
    nwgm::STUDY,
    adaptive_l2::STUDY,
    low_rank::STUDY,
    variance_shift::STUDY,
    batch_norm::STUDY,
    co_adaptation::STUDY,
    monte_carlo::STUDY,
    regression::STUDY,
    drop_connect::STUDY,
    drop_block::STUDY,
    scale::STUDY,
];
