use serde::{Deserialize, Serialize};
use wgpu_dropout::Error;

/// What a check compared, and the first few differences.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub compared: u64,
    pub mismatches: u64,
    /// Index, expected, actual.
    pub first: Vec<String>,
    /// Why the check could not go on.
    pub error: Option<String>,
    /// What a passed check leaves open on this device.
    #[serde(default)]
    pub note: Option<String>,
    /// Whether a check ends where so many differences are known as are shown.
    #[serde(skip)]
    #[doc(hidden)]
    pub is_short: bool,
}

/// Why a check ends before all is compared.
pub(crate) enum Stop {
    Failed(Error),
    Enough,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

const SHOWN: usize = 4;

impl Outcome {
    /// A check that compared nothing has not passed.
    pub fn passed(&self) -> bool {
        self.error.is_none() && self.mismatches == 0 && self.compared > 0
    }

    /// Why it did not pass.
    pub fn problem(&self) -> Option<String> {
        let Self { compared, mismatches, .. } = self;
        match &self.error {
            Some(error) => Some(error.clone()),
            None if self.passed() => None,
            None if *compared == 0 => Some("nothing was compared".to_owned()),
            None => Some(format!("{mismatches} of {compared} comparisons differ")),
        }
    }

    /// Where a check may end.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        if self.is_short && self.first.len() == SHOWN { Err(Stop::Enough) } else { Ok(()) }
    }

    /// Says what is left open, unless this holds.
    pub(crate) fn note_unless(&mut self, holds: bool, note: &str) {
        if !holds {
            self.note = Some(note.to_owned());
        }
    }

    /// Counts a comparison.
    pub(crate) fn compare(&mut self, equal: bool, describe: impl FnOnce() -> String) {
        self.compared += 1;
        if !equal {
            self.mismatches += 1;
            if self.first.len() < SHOWN {
                self.first.push(describe());
            }
        }
    }
}
