//! What was found, for a person and for a program.

use std::fmt;

use serde::Serialize;

use crate::{
    grid::Grid,
    network::{Network, Part},
    parameters::Parameters,
    proof::{CURVES, Finding, ROUNDING},
    wire::{Purpose, Wire},
};

#[derive(Serialize)]
pub struct Report {
    run: String,
    pub findings: Vec<Finding>,
    /// Bytes that all processes together handed over in training, by purpose, and how many the sums alone come to.
    products: u64,
    gradients: u64,
    losses: u64,
    sums: u64,
    /// What training handed over beyond the sums.
    masks: u64,
}

impl Report {
    pub const fn new(run: String) -> Self {
        Self { run, findings: vec![], products: 0, gradients: 0, losses: 0, sums: 0, masks: 0 }
    }

    /// Adds up what travelled.
    pub fn traffic(&mut self, wire: &mut Wire, network: &Network, parts: &[Part], grid: Grid, steps: usize) {
        let own = [Purpose::Products, Purpose::Gradients, Purpose::Losses]
            .map(|purpose| wire.traffic().get(&purpose).copied().unwrap_or(0));
        let everybody: u64 =
            wire.traffic().iter().filter(|(purpose, _)| **purpose != Purpose::Proof).map(|(_, n)| n).sum();
        let all = wire.gather(&[own[0], own[1], own[2], everybody]);
        let total = |i: usize| all.iter().map(|counts| counts[i]).sum::<u64>();
        [self.products, self.gradients, self.losses] = [total(0), total(1), total(2)];

        let whole = Parameters::random(0, network.wide, network.narrow);
        let floats = |part: &Part| {
            let products = if grid.tensor > 1 { part.rows.len() * network.narrow } else { 0 };
            let batch = if grid.data > 1 { whole.shard(part.units.clone()).flat().len() + 1 } else { 0 };
            products + batch
        };
        self.sums = (parts.iter().map(floats).sum::<usize>() * size_of::<f32>() * steps) as u64;
        self.masks = total(3).wrapping_sub(self.sums);
    }

    pub fn holds(&self) -> bool {
        self.masks == 0 && self.findings.iter().all(Finding::holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { findings, .. } = self;
        writeln!(f, "{}", self.run)?;
        if !findings.is_empty() {
            let worst = |of: fn(&Finding) -> f64| findings.iter().map(of).fold(0.0, f64::max);
            let count = |of: fn(&Finding) -> usize| findings.iter().map(of).sum::<usize>();
            let (decisions, different) = (count(|f| f.decisions), count(|f| f.different_decisions));
            writeln!(f, "  beside a single process, at each of {} steps:", findings.len())?;
            writeln!(f, "    masks put together        {different} of {decisions} decisions differ")?;
            writeln!(
                f,
                "    from equal weights        loss within {:.1e}, gradients within {:.1e} (up to {ROUNDING:.0e})",
                worst(|f| f.loss_error),
                worst(|f| f.gradient_error)
            )?;
            writeln!(f, "    loss, each by itself      within {:.1e} (up to {CURVES:.0e})", worst(|f| f.curves_error))?;
        }
        if let Some(last) = findings.last() {
            writeln!(f, "    the last                  loss {}, alone {}", last.loss, last.single_loss)?;
        }
        writeln!(
            f,
            "  bytes that travelled in training: {} of products, {} of gradients, {} of losses, {} for masks",
            self.products, self.gradients, self.losses, self.masks
        )?;
        writeln!(f, "  {}", if self.holds() { "all of it holds" } else { "NOT all of it holds" })
    }
}
