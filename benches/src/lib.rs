//! Measures wgpu-dropout beside a copy on the same device, in the same run.
//!
//! One harness for criterion (`benches/throughput.rs`), for `wgpu-dropout bench` and for the peers' comparison. Each
//! operation is checked against the reference before it is timed. Rounds are interleaved, so that drift of the
//! machine hits every operation alike, and buffers are rotated, so that a large cache does not pass for memory.

mod calls;
mod clock;
mod mover;
mod op;
mod pass_op;
mod passes;
mod report;
mod throughput;
mod yardstick;

pub use calls::{CallCost, measure_calls};
pub use clock::{Clock, Timer};
pub use op::Op;
pub use pass_op::PassOp;
pub use passes::{PassRow, measure_passes};
pub use report::{chart, table};
pub use throughput::{AdapterReport, Bench, BoundSubject, Copy, Report, Row, Sizes, Subject, measure, quartiles};
pub use yardstick::{Yardstick, YardstickKind};

/// What can go wrong in a measurement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library's own.
    #[error(transparent)]
    Library(#[from] wgpu_dropout::Error),
    /// The device could not be opened or did not answer.
    #[error("the device '{name}' {what}")]
    Device {
        /// The adapter's name.
        name: String,
        /// What happened.
        what: String,
    },
    /// A result was wrong, so it is not timed.
    #[error("{what} gives a wrong result on this device ({detail}): it is not timed. Run `wgpu-dropout verify`")]
    Wrong {
        /// The operation.
        what: String,
        /// Where and how.
        detail: String,
    },
    /// The chart could not be drawn.
    #[error("the chart could not be drawn: {0}")]
    Chart(String),
}
