//! What the first process holds the others against: a single process that does all of it.

use burn::tensor::Device;
use serde::Serialize;

use crate::{
    Error,
    checkpoint::State,
    data::Digits,
    network::{Network, Part},
    parameters::Parameters,
    wire::Wire,
};

/// How far apart a sum may lie that was taken in another order: in the norm of a gradient, relative. A product of a few
/// hundred terms in f32 is uncertain by about this much.
pub const ROUNDING: f64 = 1e-5;
/// How far apart the curves of the loss may run, relative.
pub const CURVES: f64 = 1e-3;

/// What was found at a step. Errors are relative.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub step: usize,
    pub loss: f32,
    /// The loss of the single process that was trained by itself.
    pub single_loss: f32,
    pub curves_error: f64,
    /// From equal weights.
    pub loss_error: f64,
    pub gradient_error: f64,
    /// Decisions of the masks, and how many of the shards differ from the single process's.
    pub decisions: usize,
    pub different_decisions: usize,
    /// CRC-32 of the whole masks.
    pub masks: u32,
}

impl Finding {
    pub fn holds(&self) -> bool {
        self.different_decisions == 0
            && self.loss_error <= ROUNDING
            && self.gradient_error <= ROUNDING
            && self.curves_error <= CURVES
    }
}

/// A step as one process saw it.
pub struct Seen<'a> {
    pub step: usize,
    pub rows: &'a [usize],
    /// Of the whole batch.
    pub loss: f32,
    /// Before the step, and summed over the batch.
    pub parameters: &'a Parameters,
    pub gradient: &'a Parameters,
    pub kept: &'a [Vec<u8>; 3],
}

/// Shows a step to the first process, which says what it found.
pub fn show(
    wire: &mut Wire,
    parts: &[Part],
    network: &Network,
    device: &Device,
    digits: &Digits,
    single: Option<&mut Trained>,
    seen: &Seen<'_>,
) -> Result<Option<Finding>, Error> {
    let kept = seen.kept.each_ref().map(|kept| wire.gather(kept));
    let parameters = wire.gather(&seen.parameters.flat());
    let gradients = wire.gather(&seen.gradient.flat());
    let Some(single) = single else { return Ok(None) };

    let all = network.whole();
    let masks = network.masks(seen.step, &all)?;
    let expected = network.kept(device, &masks, &all)?;
    let columns = expected.each_ref().map(|mask| mask.len() / network.batch);
    let mut different = 0;
    for (i, shards) in kept.iter().enumerate() {
        for (part, shard) in parts.iter().zip(shards) {
            let units = if i == 1 { part.units.clone() } else { 0..columns[i] };
            let rows = part.rows.clone().map(|row| &expected[i][row * columns[i]..][..columns[i]][units.clone()]);
            assert_eq!(shard.len(), part.rows.len() * units.len(), "a shard has a decision for each element");
            let bits = rows.zip(shard.chunks(units.len()));
            different += bits.map(|(a, b)| a.iter().zip(b).filter(|(a, b)| a != b).count()).sum::<usize>();
        }
    }

    let together = |shards: &[Vec<f32>]| {
        let mut whole = single.state.parameters.zeros_like();
        for (part, shard) in parts.iter().zip(shards) {
            let shape = whole.shard(part.units.clone());
            whole.put_shard(&shape.with_values(shard), part.units.start);
        }
        whole
    };
    let (loss, gradient) =
        network.gradients(device, &together(&parameters), digits, seen.rows, &masks, |_: &mut [f32]| {})?;
    let found = together(&gradients);
    let errors = found.0.iter().zip(&gradient.0).map(|(a, b)| relative_error(&a.values, &b.values));

    // And the one that goes its own way from the first step on.
    let (single_loss, gradient) =
        network.gradients(device, &single.state.parameters, digits, seen.rows, &masks, |_: &mut [f32]| {})?;
    single.descend(&gradient);

    let mut masks = crc32fast::Hasher::new();
    expected.iter().for_each(|mask| masks.update(mask));
    Ok(Some(Finding {
        step: seen.step,
        loss: seen.loss,
        single_loss,
        curves_error: relative_error(&[seen.loss], &[single_loss]),
        loss_error: relative_error(&[seen.loss], &[loss]),
        gradient_error: errors.fold(0.0, f64::max),
        decisions: expected.iter().map(Vec::len).sum(),
        different_decisions: different,
        masks: masks.finalize(),
    }))
}

/// Parameters that are trained.
pub struct Trained {
    pub state: State,
    pub rate: f32,
    pub momentum: f32,
}

impl Trained {
    pub fn descend(&mut self, gradient: &Parameters) {
        let State { parameters, velocity } = &mut self.state;
        parameters.descend(velocity, gradient, self.rate, self.momentum);
    }
}

/// ‖a − b‖/‖b‖; infinite where something is not finite.
fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    let error = if difference == 0.0 { 0.0 } else { difference / norm(&mut b.iter().map(|&b| f64::from(b))) };
    if error.is_finite() { error } else { f64::INFINITY }
}
