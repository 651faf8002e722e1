//! Known answers of passes.

use half::{bf16, f16};
use wgpu_dropout::{Activation, Dtype, Element, Generator, reference};
use wgpu_dropout_conformance::vectors::*;

use super::{KEY, named};

/// Numbers in eighths from −4 to 4, with zeros, infinities and NaN among them; none is rounded by a type.
fn elements<T: Element>(count: usize, salt: usize) -> Vec<T> {
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let element = |i: usize| match (i * 7 + salt) % 23 {
        n if n < special.len() => special[n],
        n => ((i * 37 + salt * 11 + n) % 65) as f32 / 8.0 - 4.0,
    };
    (0..count).map(|i| T::narrow(element(i))).collect()
}

fn words<T: Element>(values: &[T]) -> Words {
    let bits = |value: &T| {
        // Any NaN is right, and which one the reference gives depends on the processor.
        let value = if value.widen().is_nan() { T::narrow(f32::from_bits(0x7fc0_0000)) } else { *value };
        bytemuck::bytes_of(&value).iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte))
    };
    Words::new(T::DTYPE.size() as usize * 2, values.iter().map(bits))
}

const NONE: Words = Words { digits: 0, words: vec![] };

pub fn fused() -> Vec<FusedAnswer> {
    let mut answers = vec![];
    for &generator in Generator::ALL {
        for activation in [Activation::None, Activation::Relu] {
            for (n, &dtype) in Dtype::ALL.iter().enumerate() {
                let (p, row_p) = [(0.1, 0.3), (0.5, 0.0), (0.9, 0.5)][(n + answers.len() / 3) % 3];
                let (row_seed, row_stream) = (KEY.seed + 1, KEY.stream ^ 1 << 48);
                let start = [0, (1 << 32) - 20, (1 << 35) - 15][n];
                let columns = [5, 8, 1][n];
                let mut answer = FusedAnswer {
                    activation,
                    dtype,
                    key: named(generator, KEY),
                    p,
                    start,
                    columns,
                    row_seed,
                    row_stream,
                    row_p,
                    row_start: [7, (1 << 32) - 2, 0][n],
                    x: NONE,
                    bias: NONE,
                    residual: NONE,
                    dy: NONE,
                    y: NONE,
                    dx: NONE,
                };
                match dtype {
                    Dtype::F32 => run_fused::<f32>(&mut answer),
                    Dtype::F16 => run_fused::<f16>(&mut answer),
                    _ => run_fused::<bf16>(&mut answer),
                }
                answers.push(answer);
            }
        }
    }
    answers
}

fn run_fused<T: Element>(answer: &mut FusedAnswer) {
    let fused = answer.fused().unwrap();
    let (x, residual, dy): (Vec<T>, Vec<T>, Vec<T>) = (elements(40, 1), elements(40, 2), elements(40, 3));
    let bias: Vec<T> = elements::<f32>(answer.columns as usize, 8).iter().map(|x| T::narrow(x.min(1.5))).collect();
    let (mut y, mut dx) = (x.clone(), x.clone());
    reference::run_pass(fused.forward(&x, &mut y).with_bias(&bias).with_residual(&residual)).unwrap();
    reference::run_pass(fused.backward(&dy, &mut dx).with_input(&x).with_bias(&bias)).unwrap();
    (answer.x, answer.bias, answer.residual, answer.dy) = (words(&x), words(&bias), words(&residual), words(&dy));
    (answer.y, answer.dx) = (words(&y), words(&dx));
}

pub fn samples() -> Vec<SamplesAnswer> {
    let mut answers = vec![];
    for (n, &generator) in Generator::ALL.iter().enumerate() {
        for (first_sample, samples) in [(0, 4), (65_534, 2), (41, 0)] {
            let dtype = Dtype::ALL[(n + answers.len()) % Dtype::ALL.len()];
            let (p, start) = ([0.25, 0.5, 0.9][answers.len() % 3], [0, (1 << 34) - 9][n]);
            let key = named(generator, KEY);
            let mut answer = SamplesAnswer { dtype, key, p, start, first_sample, samples, x: NONE, y: NONE };
            match dtype {
                Dtype::F32 => run_samples::<f32>(&mut answer),
                Dtype::F16 => run_samples::<f16>(&mut answer),
                _ => run_samples::<bf16>(&mut answer),
            }
            answers.push(answer);
        }
    }
    answers
}

fn run_samples<T: Element>(answer: &mut SamplesAnswer) {
    let x: Vec<T> = elements(19, 4);
    let mut y = x.repeat(answer.samples as usize);
    reference::run_pass(answer.samples().unwrap().forward(&x, &mut y)).unwrap();
    (answer.x, answer.y) = (words(&x), words(&y));
}

pub fn products() -> Vec<ProductAnswer> {
    let mut answers = vec![];
    let integers =
        |count: u64, salt: u64| -> Vec<f32> { (0..count).map(|i| ((i * 29 + salt * 5) % 9) as f32 - 4.0).collect() };
    for &generator in Generator::ALL {
        for (start, [batch, outputs, inputs], masks) in
            [(0, [2, 3, 8], 2), (5, [3, 2, 7], 1), ((1 << 35) - 9, [2, 4, 5], 2)]
        {
            let mut answer = ProductAnswer {
                key: named(generator, KEY),
                p: 0.5,
                start,
                masks,
                batch,
                outputs,
                inputs,
                w: NONE,
                x: NONE,
                dy: NONE,
                y: NONE,
                dx: NONE,
                dw: NONE,
            };
            let of = answer.product().unwrap();
            let (w, mut x, dy) =
                (integers(outputs * inputs, 1), integers(batch * inputs, 2), integers(batch * outputs, 3));
            // What is dropped is +0 whatever it is made of: where no output of the example keeps this input.
            let is_dropped = |i: u64| {
                (0..outputs).all(|o| !reference::keeps(&of.mask(), of.strides()[0] * (batch - 1) + o * inputs + i))
            };
            if let Some(i) = (0..inputs).find(|&i| is_dropped(i)) {
                x[((batch - 1) * inputs + i) as usize] = f32::INFINITY;
            }
            let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
            reference::run_pass(of.forward(&w, &x, &mut y)).unwrap();
            reference::run_pass(of.backward_input(&w, &dy, &mut dx)).unwrap();
            reference::run_pass(of.backward_weights(&x, &dy, &mut dw)).unwrap();
            // The sign of a sum of nothing is open.
            for sums in [&mut y, &mut dx, &mut dw] {
                sums.iter_mut().for_each(|sum| *sum += 0.0);
            }
            (answer.w, answer.x, answer.dy) = (words(&w), words(&x), words(&dy));
            (answer.y, answer.dx, answer.dw) = (words(&y), words(&dx), words(&dw));
            answers.push(answer);
        }
    }
    answers
}
