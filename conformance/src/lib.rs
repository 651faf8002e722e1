//! Whether a device keeps the library's promises: one suite of checks for the command line, the tests and browsers.
//!
//! A check runs on a [`Subject`] and not on a `Context` alone, because some checks need a second device of the same
//! adapter, with tiny limits: `Subject::open(&adapter).await?`. Everything that touches a device is async, and nothing
//! needs threads, files or a clock, so that it runs in browsers too.
//!
//! ```no_run
//! # async fn f(adapter: &wgpu_dropout::wgpu::Adapter) -> Result<(), wgpu_dropout::Error> {
//! use wgpu_dropout_conformance::{Subject, Suite};
//!
//! let suite = Suite::new()?;
//! let subject = Subject::open(adapter).await?;
//! for check in suite.checks() {
//!     let outcome = suite.run(check, &subject).await;
//!     println!("{}: {}: {}", check.about.name(), check.name, outcome.problem().unwrap_or("pass".into()));
//! }
//! # Ok(()) }
//! ```

mod cases;
mod checks;
mod elements;
mod fault;
mod outcome;
mod steps;
mod subject;
pub mod vectors;

use outcome::Stop;
use wgpu_dropout::Error;

pub use checks::{About, Check};
pub use fault::Fault;
pub use outcome::Outcome;
#[doc(hidden)]
pub use steps::{fused, telling};
pub use subject::Subject;

/// The checks' cases, and what the CPU reference says of them. Costly to make.
pub struct Suite {
    cases: cases::Cases,
    vectors: vectors::Vectors,
}

impl Suite {
    pub fn new() -> Result<Self, Error> {
        Ok(Self { cases: cases::Cases::new()?, vectors: vectors::Vectors::read() })
    }

    /// Every check, the published known answers first.
    pub fn checks(&self) -> &'static [Check] {
        checks::ALL
    }

    /// Runs one check. An error of the device ends it, and is part of the outcome. With a planted mistake it ends with the
    /// first differences.
    pub async fn run(&self, check: &Check, subject: &Subject) -> Outcome {
        let mut outcome = Outcome { is_short: subject.has_fault(), ..Outcome::default() };
        let error = match (check.run)(self, subject, &mut outcome).await {
            Err(Stop::Failed(error)) => Some(error.to_string()),
            Ok(()) | Err(Stop::Enough) => None,
        };
        outcome.error = error.or_else(|| subject.reported());
        outcome
    }
}
