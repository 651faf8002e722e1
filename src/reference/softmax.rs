//! Softmax and dropout in binary64, rounded once to f32 before dropout scales.

use super::{
    keeps,
    pass::{store, widened},
};
use crate::{
    Error, Pass, Slice, SoftmaxDropout,
    role::Role,
    softmax::{Direction, SoftmaxWork},
};

/// The softmax of a row in binary64, of which the first `seen` elements take part; +0 for the others, and where there are none
/// but minus infinities.
fn softmax(row: &[f32], seen: usize, factor: f32) -> Vec<f64> {
    let numbers: Vec<f64> = row[..seen].iter().map(|&x| f64::from(x) * f64::from(factor)).collect();
    let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut p = vec![0.0; row.len()];
    if greatest == f64::NEG_INFINITY && !numbers.iter().any(|x| x.is_nan()) {
        return p;
    }
    let sum: f64 = numbers.iter().map(|x| (x - greatest).exp()).sum();
    for (p, x) in p.iter_mut().zip(&numbers) {
        *p = (x - greatest).exp() / sum;
    }
    p
}

/// Runs a pass.
pub(super) fn softmax_dropout(work: &SoftmaxWork, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    work.check()?;
    let (x, dy) = (widened(pass, Role::Input)?, widened(pass, Role::Gradient)?);
    store(pass, Role::Output, &run(work, &x, &dy))
}

/// What a pass writes, from its input and, backward, the gradient of its output.
fn run(work: &SoftmaxWork, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let SoftmaxWork { softmax: of, direction, .. } = work;
    let keys = of.keys() as usize;
    let rows = x.chunks(keys).enumerate();
    let each = rows.flat_map(|(row, x)| {
        let seen = of.seen(row as u64 % of.queries()).min(of.keys()) as usize;
        let p = softmax(x, seen, of.factor());
        match direction {
            Direction::Forward => forward(of, row * keys, &p),
            Direction::Backward => backward(of, row * keys, seen, &p, &dy[row * keys..][..keys]),
        }
    });
    each.collect()
}

fn forward(of: &SoftmaxDropout, first: usize, p: &[f64]) -> Vec<f32> {
    let mask = of.mask();
    let drop = |(j, &p): (usize, &f64)| if keeps(mask, (first + j) as u64) { p as f32 * mask.scale() } else { 0.0 };
    p.iter().enumerate().map(drop).collect()
}

fn backward(of: &SoftmaxDropout, first: usize, seen: usize, p: &[f64], dy: &[f32]) -> Vec<f32> {
    let mask = of.mask();
    let let_through = |(j, &dy): (usize, &f32)| {
        if keeps(mask, (first + j) as u64) { f64::from(dy * mask.scale()) } else { 0.0 }
    };
    let dp: Vec<f64> = dy[..seen].iter().enumerate().map(let_through).collect();
    let mean: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
    let mut dx = vec![0.0; dy.len()];
    for ((dx, p), dp) in dx.iter_mut().zip(p).zip(&dp) {
        *dx = (f64::from(of.factor()) * p * (dp - mean)) as f32;
    }
    dx
}
