//! The dropout literature, executed: every claim is a study that measures it on the GPU with this library's kernels, and ends
//! in a figure and a verdict.
//!
//! `scripts/study.sh` runs them and writes a page. A study is a file of [`studies`]: it has a [`Study`] that says what is
//! claimed, and a function that measures with a [`Lab`] and returns [`Findings`].

pub mod check;
pub mod data;
pub mod figure;
pub mod lab;
pub mod number;
pub mod report;
pub mod runner;
pub mod softmax;
pub mod studies;
pub mod study;
pub mod trained;

pub use check::{Check, Estimate, Family};
pub use figure::{Axis, Figure, Mark, Plot, Side, Stroke, Tone};
pub use lab::Lab;
pub use number::digits;
pub use study::{Findings, Study, Table};

/// An error that stops a study: of the device, of a file, of a solver.
pub type Error = Box<dyn std::error::Error>;
