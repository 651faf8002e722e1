use wasm_bindgen::prelude::*;
use wgpu_dropout_conformance::{Subject, Suite};

use crate::gpu::adapter;

/// The conformance suite on a device of its own.
#[wasm_bindgen]
pub struct SelfCheck {
    suite: Suite,
    subject: Subject,
}

/// What a check is called.
#[wasm_bindgen(getter_with_clone)]
pub struct CheckName {
    /// What it is about.
    pub about: String,
    /// Its name.
    pub name: String,
}

/// What a check found.
#[wasm_bindgen(getter_with_clone)]
pub struct CheckResult {
    /// Whether all is as it must be.
    pub passed: bool,
    /// Comparisons made.
    pub compared: f64,
    /// Why it did not pass.
    pub problem: Option<String>,
    /// What it leaves open on this device, although it passed.
    pub note: Option<String>,
    /// The first few differences.
    pub first: Vec<String>,
}

#[wasm_bindgen]
impl SelfCheck {
    /// Opens a device and prepares the cases.
    ///
    /// # Errors
    /// When there is no adapter, or it refuses the device.
    pub async fn open() -> Result<Self, JsError> {
        let subject = Subject::open(&adapter().await?).await?;
        Ok(Self { suite: Suite::new()?, subject })
    }

    /// Every check, in the order in which they are to run.
    pub fn checks(&self) -> Vec<CheckName> {
        let name = |check: &wgpu_dropout_conformance::Check| CheckName {
            about: check.about.name().to_owned(),
            name: check.name.to_owned(),
        };
        self.suite.checks().iter().map(name).collect()
    }

    /// Runs a check.
    pub async fn run(&self, index: usize) -> CheckResult {
        let outcome = self.suite.run(&self.suite.checks()[index], &self.subject).await;
        CheckResult {
            passed: outcome.passed(),
            compared: outcome.compared as f64,
            problem: outcome.problem(),
            note: outcome.note,
            first: outcome.first,
        }
    }
}
