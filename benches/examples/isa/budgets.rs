//! How many vector instructions an element a kernel may take.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Result, measure::Figures};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/isa-budgets.json");

/// `benches/isa-budgets.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// What the figures are of, for whoever reads the file.
    #[serde(rename = "unit")]
    _unit: String,
    /// The family that they are for.
    pub family: String,
    /// The version of Mesa whose figures they were made from.
    pub made_with: String,
    pub budgets: BTreeMap<String, Budget>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Budget {
    AtMost(f64),
    /// At most so many times the figure of another kernel.
    Relative {
        times: f64,
        of: String,
    },
}

impl Budgets {
    pub fn read() -> Result<Self> {
        let text = std::fs::read(FILE).map_err(|error| format!("{FILE}: {error}"))?;
        Ok(serde_json::from_slice(&text).map_err(|error| format!("{FILE}: {error}"))?)
    }

    /// The most that a kernel may take; none without a budget, or with one that refers to no kernel.
    pub fn most(&self, kernel: &str, figures: &[Figures]) -> Option<f64> {
        match self.budgets.get(kernel)? {
            Budget::AtMost(most) => Some(*most),
            Budget::Relative { times, of } => {
                let other = figures.iter().find(|other| other.kernel == *of)?;
                Some(times * other.vector_instructions_per_element)
            }
        }
    }

    /// What is not as the budgets want it.
    pub fn problems(&self, figures: &[Figures]) -> Vec<String> {
        let mut problems = vec![];
        for name in self.budgets.keys() {
            let Some(kernel) = figures.iter().find(|kernel| kernel.kernel == *name) else {
                problems.push(format!("{FILE} has a budget for '{name}', and there is no such kernel"));
                continue;
            };
            let Some(most) = self.most(name, figures) else {
                problems.push(format!("the budget of '{name}' in {FILE} refers to a kernel that there is not"));
                continue;
            };
            let each = kernel.vector_instructions_per_element;
            if kernel.weighted {
                problems.push(format!(
                    "'{name}' has loops or branches that straight_line.rs does not take away: its figure is weighted \
                     by RADV's guesses, and no budget can hold it"
                ));
            } else if each > most {
                problems.push(format!(
                    "'{name}' takes {each:.2} vector instructions an element on {}, over its budget of {most:.2}",
                    self.family
                ));
            }
        }
        problems
    }
}
