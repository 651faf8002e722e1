//! `DropConnect`: sums in binary64, rounded once.

use super::{keeps, normal};
use crate::{DropConnect, Element, Error, reference::dropout::reserve};

/// The product of (outputs, inputs) and (batch, inputs): (batch, outputs).
pub(super) fn forward<T: Element>(of: &DropConnect, weights: &[T], x: &[T]) -> Result<Vec<T>, Error> {
    let [outputs, inputs] = [of.outputs(), of.inputs()];
    let terms = Terms::new(of)?;
    collect(of.batch() * outputs, |at| {
        let (b, o) = (at / outputs, at % outputs);
        let term = |i| terms.term(b, o, i, weights[(o * inputs + i) as usize], x[(b * inputs + i) as usize]);
        T::narrow((0..inputs).map(term).sum::<f64>() as f32)
    })
}

/// The gradient of the input, (batch, inputs), from (outputs, inputs) and (batch, outputs).
pub(super) fn backward_input<T: Element>(of: &DropConnect, weights: &[T], dy: &[T]) -> Result<Vec<T>, Error> {
    let [outputs, inputs] = [of.outputs(), of.inputs()];
    let terms = Terms::new(of)?;
    collect(of.batch() * inputs, |at| {
        let (b, i) = (at / inputs, at % inputs);
        let term = |o| terms.term(b, o, i, weights[(o * inputs + i) as usize], dy[(b * outputs + o) as usize]);
        T::narrow((0..outputs).map(term).sum::<f64>() as f32)
    })
}

/// The gradient of the weights, (outputs, inputs), from (batch, inputs) and (batch, outputs).
pub(super) fn backward_weights<T: Element>(of: &DropConnect, x: &[T], dy: &[T]) -> Result<Vec<T>, Error> {
    let [outputs, inputs] = [of.outputs(), of.inputs()];
    let terms = Terms::new(of)?;
    collect(outputs * inputs, |at| {
        let (o, i) = (at / inputs, at % inputs);
        let term = |b| terms.term(b, o, i, x[(b * inputs + i) as usize], dy[(b * outputs + o) as usize]);
        T::narrow((0..of.batch()).map(term).sum::<f64>() as f32)
    })
}

/// Mean and variance of the product, both (batch, outputs).
pub(super) fn moments<T: Element>(of: &DropConnect, weights: &[T], x: &[T]) -> Result<[Vec<T>; 2], Error> {
    let [outputs, inputs] = [of.outputs(), of.inputs()];
    let factor = of.variance_factor();
    let terms = |at: u64| {
        let (b, o) = (at / outputs, at % outputs);
        (0..inputs).map(move |i| {
            f64::from(weights[(o * inputs + i) as usize].widen()) * f64::from(x[(b * inputs + i) as usize].widen())
        })
    };
    let mean = collect(of.batch() * outputs, |at| T::narrow(terms(at).sum::<f64>() as f32))?;
    let variance = collect(of.batch() * outputs, |at| {
        let squares: f64 = terms(at).map(|term| term * term).sum();
        T::narrow(if factor == 0.0 { 0.0 } else { (factor * squares) as f32 })
    })?;
    Ok([mean, variance])
}

/// Samples of normals, (samples, batch, outputs), with means and variances (batch, outputs).
pub(super) fn samples<T: Element>(
    of: &DropConnect,
    mean: &[T],
    variance: &[T],
    first: u64,
    count: u64,
) -> Result<Vec<T>, Error> {
    let all = of.batch() * of.outputs();
    collect(count * all, |at| {
        let (sample, element) = (at / all, at % all);
        let (mask, key) = (of.mask(), of.key_of_sample(first + sample));
        let z = normal(mask.generator(), key, mask.view().start() + element);
        let deviation = f64::from(variance[element as usize].widen()).sqrt();
        T::narrow((f64::from(mean[element as usize].widen()) + deviation * f64::from(z)) as f32)
    })
}

struct Terms {
    decisions: crate::Mask,
    outputs: u64,
    inputs: u64,
}

impl Terms {
    fn new(of: &DropConnect) -> Result<Self, Error> {
        Ok(Self { decisions: of.decisions()?, outputs: of.outputs(), inputs: of.inputs() })
    }

    /// `keep ? a·scale·b : +0` for an example, an output and an input.
    fn term<T: Element>(&self, b: u64, o: u64, i: u64, a: T, other: T) -> f64 {
        let mask = &self.decisions;
        if keeps(mask, (b * self.outputs + o) * self.inputs + i) {
            f64::from(a.widen()) * f64::from(mask.scale()) * f64::from(other.widen())
        } else {
            0.0
        }
    }
}

fn collect<T>(count: u64, f: impl FnMut(u64) -> T) -> Result<Vec<T>, Error> {
    let mut all = reserve(count)?;
    all.extend((0..count).map(f));
    Ok(all)
}
