//! The studies, in the order of the page. Each is a file with a `STUDY`.

use crate::Study;

mod unbiased;

/// All of them.
pub const ALL: &[Study] = &[unbiased::STUDY];
