//! Fused passes: bias, activation, dropout, row keep, residual.

use super::{
    dropout::for_each_decision,
    keeps,
    pass::{elements, output, store, widened},
};
use crate::{Activation, Error, Pass, Slice, fused::Work, role::Role};

/// Runs a pass.
pub(super) fn fused(work: &Work, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    work.check()?;
    let given = |role| pass.place(role).map(|_| widened(pass, role)).transpose();
    let (source, other) = if work.backward { (Role::Gradient, Role::Input) } else { (Role::Input, Role::Other) };
    let tensors = Tensors {
        source: widened(pass, source)?,
        other: given(other)?.filter(|_| work.needs_argument()),
        bias: given(Role::Bias)?.filter(|_| work.needs_argument()),
        row_ids: pass.place(Role::RowIds).map(|_| elements(pass, Role::RowIds).to_vec()),
    };
    let (y, sums) = run(work, &tensors)?;
    if work.sums_columns {
        output(pass, Role::BiasGradient)?;
    }
    store(pass, Role::Output, &y)?;
    store(pass, Role::BiasGradient, &sums.iter().map(|&sum| sum as f32).collect::<Vec<_>>())
}

/// The tensors of a pass, widened.
struct Tensors {
    /// x, or backward the gradient of y.
    source: Vec<f32>,
    /// The residual, or backward x.
    other: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    row_ids: Option<Vec<u32>>,
}

/// The result, and of a backward pass the sum of each column.
fn run(work: &Work, tensors: &Tensors) -> Result<(Vec<f32>, Vec<f64>), Error> {
    let fused = &work.fused;
    let (mask, columns) = (fused.mask(), fused.columns() as usize);
    let mut y = super::dropout::reserve(tensors.source.len() as u64)?;
    let mut sums = vec![0.0; if work.backward { columns } else { 0 }];
    let other = |i: usize| tensors.other.as_ref().map(|other| other[i]);
    let with_bias = |x: f32, i: usize| tensors.bias.as_ref().map_or(x, |bias| x + bias[i % columns]);
    let row_scale = fused.row_keep().map_or(1.0, |rows| rows.scale());
    let mut row = (u64::MAX, true);
    for_each_decision(&mask, tensors.source.len() as u64, tensors.row_ids.as_deref(), |local, keep| {
        let (i, number) = (local as usize, local / fused.columns());
        if row.0 != number {
            row = (number, fused.row_keep().is_none_or(|rows| keeps(&rows, number)));
        }
        let keep = keep && row.1;
        let x = tensors.source[i];
        y.push(if work.backward {
            let gradient = (x * row_scale) * mask.scale();
            let dx = match (fused.activation(), other(i)) {
                (Activation::None, _) | (_, None) => gradient,
                (Activation::Relu, Some(x)) => {
                    if with_bias(x, i) <= 0.0 {
                        0.0
                    } else {
                        gradient
                    }
                }
                (activation, Some(x)) => gradient * derivative(activation, with_bias(x, i).into()) as f32,
            };
            let dx = if keep { dx } else { 0.0 };
            sums[i % columns] += f64::from(dx);
            dx
        } else {
            let a = match fused.activation() {
                Activation::None => with_bias(x, i),
                Activation::Relu => {
                    let v = with_bias(x, i);
                    if v < 0.0 { 0.0 } else { v }
                }
                activation => value(activation, with_bias(x, i).into()) as f32,
            };
            let e = if keep { (a * mask.scale()) * row_scale } else { 0.0 };
            other(i).map_or(e, |residual| residual + e)
        });
    });
    Ok((y, sums))
}

fn value(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::None => v,
        Activation::Relu => {
            if v < 0.0 {
                0.0
            } else {
                v
            }
        }
        Activation::Gelu => v * distribution(v),
        Activation::GeluTanh => 0.5 * v * (1.0 + tanh_argument(v).tanh()),
        Activation::Silu => v / (1.0 + (-v).exp()),
    }
}

fn derivative(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::None => 1.0,
        Activation::Relu => {
            if v <= 0.0 {
                0.0
            } else {
                1.0
            }
        }
        Activation::Gelu => distribution(v) + v * ((-0.5 * v * v).exp() / std::f64::consts::TAU.sqrt()),
        Activation::GeluTanh => {
            let t = tanh_argument(v).tanh();
            let slope = (2.0 / std::f64::consts::PI).sqrt() * (1.0 + 3.0 * 0.044_715 * v * v);
            // 1 − t², which is 0 long before v² overflows.
            let narrow = if t.abs() == 1.0 { 0.0 } else { (1.0 - t * t) * slope };
            0.5 * (1.0 + t) + 0.5 * v * narrow
        }
        Activation::Silu => {
            let s = 1.0 / (1.0 + (-v).exp());
            s * (1.0 + v * (1.0 - s))
        }
    }
}

fn tanh_argument(v: f64) -> f64 {
    (2.0 / std::f64::consts::PI).sqrt() * (v + 0.044_715 * v * v * v)
}

/// The normal distribution function.
fn distribution(v: f64) -> f64 {
    0.5 * (1.0 + erf(v * std::f64::consts::FRAC_1_SQRT_2))
}

/// The error function: `2/√π·e^(−x²)·Σ 2ⁿ·x^(2n+1)/(1·3·5·…·(2n+1))`, whose terms all have one sign (Abramowitz and Stegun,
/// 7.1.6). From 6 on it is 1 in binary64.
fn erf(x: f64) -> f64 {
    if x.abs() >= 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > sum.abs() * 1e-17 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against values of tables (Abramowitz and Stegun, 7.1).
    #[test]
    fn the_error_function() {
        for (x, expected) in [
            (0.0, 0.0),
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (4.0, 0.999_999_984_582_742_1),
            (7.0, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 1e-15, "{x}: {}", erf(x));
            assert!((erf(-x) + expected).abs() < 1e-15, "{x}");
        }
        assert!(erf(f64::NAN).is_nan());
    }

    /// The derivatives are those of the functions.
    #[test]
    fn derivatives() {
        for &activation in Activation::ALL {
            for i in -80..=80 {
                let (v, h) = (f64::from(i) * 0.1 + 0.013, 1e-5);
                let slope = (value(activation, v + h) - value(activation, v - h)) / (2.0 * h);
                assert!((slope - derivative(activation, v)).abs() < 1e-8, "{activation} at {v}");
            }
        }
    }
}
