//! Studies of trained networks: `networks/` trains them with Burn, in a program of its own, and here is judged.
//!
//! One program would build Burn twice: figures and linear algebra switch on features of packages below it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::{Check, Error, Estimate, Family, Lab};

/// Lists of numbers, by name: what was measured.
pub struct Trained {
    study: &'static str,
    lists: BTreeMap<String, Vec<f64>>,
}

impl Trained {
    /// Has the networks of a study trained, and measured.
    pub fn new(lab: &Lab<'_>, study: &'static str) -> Result<Self, Error> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/networks/Cargo.toml");
        let mut command = Command::new(cargo);
        command.args(["run", "--quiet", "--manifest-path", manifest, "--", study]).arg(lab.key(0).seed.to_string());
        command.args(lab.quick.then_some("quick")).args(lab.fault.then_some("fault"));
        let named = |error| format!("cargo run of {manifest}: {error}");
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(named)?;
        let output = child.stdout.take().ok_or("the program has an output")?;
        let mut last = String::new();
        for line in BufReader::new(output).lines() {
            let line = line?;
            match line.strip_prefix("progress ").map(str::parse::<f64>) {
                Some(Ok(part)) => lab.progress((part * 1000.0) as usize, 1000),
                _ => last = line,
            }
        }
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("the training of {study} ended with {status}").into());
        }
        let lists = serde_json::from_str(&last).map_err(|error| format!("what {study} measured: {error}"))?;
        Ok(Self { study, lists })
    }

    /// A list.
    pub fn list(&self, name: &str) -> Result<&[f64], Error> {
        let list = self.lists.get(name).ok_or_else(|| format!("{} has measured no {name}", self.study))?;
        Ok(list)
    }

    /// The mean over networks.
    pub fn mean(&self, name: &str) -> Result<Estimate, Error> {
        Ok(Estimate::mean(self.list(name)?))
    }

    /// The mean over networks of the first less the second, of the same network.
    pub fn difference(&self, first: &str, second: &str) -> Result<Estimate, Error> {
        Ok(difference(self.list(first)?, self.list(second)?))
    }
}

/// The mean of paired differences.
pub fn difference(first: &[f64], second: &[f64]) -> Estimate {
    Estimate::mean(&first.iter().zip(second).map(|(a, b)| a - b).collect::<Vec<_>>())
}

/// The interval of an estimate as text, in units of its own.
pub fn interval(estimate: &Estimate, family: Family, factor: f64) -> String {
    let (low, high) = family.interval(&estimate.scaled(factor));
    format!("{} to {}", crate::digits(low, 3), crate::digits(high, 3))
}

/// Holds where the interval of the estimate is within the margin on either side: the two are equivalent.
pub fn equivalent(what: &str, estimate: Estimate, margin: f64, family: Family) -> [Check; 2] {
    [
        Check::above(format!("{what}: not lower"), estimate, -margin, family),
        Check::below(format!("{what}: not higher"), estimate, margin, family),
    ]
}
