//! The kernels of passes that are counted: bias, activation, dropout and residual, softmax and dropout, `DropConnect`, and what
//! Monte Carlo dropout takes.

use wgpu_dropout::{
    Activation, DropConnect, Dropout, Dtype, Fused, Key, Mask, Pass, Samples, SoftmaxDropout, Statistics, Uncertainty,
    kernels::{KeyPlace, Launch, Operand, PassPlan, Target, Tensor},
};

use crate::{
    Result,
    subjects::{Counted, N, Subject, most_elements},
};

/// Elements of a row.
const COLUMNS: u64 = 1024;
/// Keys of a row of a softmax: those that 16 invocations of 32 elements take at once, so that the count is of whole rows.
const KEYS: u64 = 512;
/// Samples of a launch. What a launch does once is shared by as many.
const SAMPLES: u64 = 16;
/// Classes of a row.
const CLASSES: u64 = 10;

/// A range of f32 in a buffer of its own.
fn tensor(buffer: u32, elements: u64) -> Tensor {
    Operand::new(buffer, 0, elements * Dtype::F32.size()).into()
}

fn launches(target: &Target, pass: &Pass<Tensor>) -> Result<Vec<Launch>> {
    let plan = PassPlan::new(target, pass, KeyPlace::Parameters)?;
    Ok(plan.stages().iter().flat_map(|stage| stage.launches().to_vec()).collect())
}

/// The kernel of a pass of one launch whose invocations handle so many elements.
fn only_kernel(target: &Target, pass: &Pass<Tensor>, elements: u64) -> Result<Counted> {
    match launches(target, pass)?.as_slice() {
        [launch] => Ok(Counted::of(launch, elements as u32)),
        several => Err(format!("a pass of one launch has {}", several.len()).into()),
    }
}

fn fused(target: &Target, mask: Mask, activation: Activation, backward: bool) -> Result<Counted> {
    let (x, other, y) = (tensor(0, N), tensor(1, N), tensor(2, N));
    let fused = Fused::new(mask, COLUMNS)?.with_activation(activation);
    let pass = match backward {
        false => fused.forward(x, y).with_residual(other),
        true => fused.backward(x, y).with_input(other),
    };
    most_elements(&launches(target, &pass.with_bias(tensor(3, COLUMNS)))?)
}

fn softmax(target: &Target, mask: Mask, backward: bool) -> Result<Counted> {
    let softmax = SoftmaxDropout::new(mask, KEYS, KEYS)?;
    most_elements(&launches(
        target,
        &match backward {
            false => softmax.forward(tensor(0, N), tensor(1, N)),
            true => softmax.backward(tensor(0, N), tensor(1, N), tensor(2, N)),
        },
    )?)
}

/// An element is a term: a weight of an example. An invocation decides 32 for each of 4 examples and 4 outputs, and again.
fn drop_connect(target: &Target, mask: Mask) -> Result<Counted> {
    let [batch, outputs, inputs] = [64, 512, 512];
    let connect = DropConnect::new(mask, batch, outputs, inputs)?;
    let (weights, input, output) = (outputs * inputs, batch * inputs, batch * outputs);
    only_kernel(target, &connect.forward(tensor(0, weights), tensor(1, input), tensor(2, output)), 32 * 4 * 4)
}

/// An element of a sample.
fn samples(target: &Target, mask: Mask) -> Result<Counted> {
    most_elements(&launches(target, &Samples::new(mask, 0, 1)?.forward(tensor(0, N), tensor(1, N)))?)
}

/// An element of a sample.
fn moments(target: &Target) -> Result<Counted> {
    let elements = N / SAMPLES;
    let (x, mean, m2) = (tensor(0, N), tensor(1, elements), tensor(2, elements));
    // Of an invocation, four.
    only_kernel(target, &Statistics::new(elements).update(x, mean, m2), 4 * SAMPLES)
}

/// A class of a row of a sample.
fn entropy(target: &Target) -> Result<Counted> {
    let rows = N / SAMPLES;
    let (x, probability, entropy) = (tensor(0, N * CLASSES), tensor(1, rows * CLASSES), tensor(2, rows));
    let uncertainty = Uncertainty::new(rows, CLASSES)?;
    only_kernel(target, &uncertainty.update(x, probability, entropy), SAMPLES * CLASSES)
}

pub fn all(target: &Target, mask: Mask) -> Result<Vec<Subject>> {
    let none = Dropout::new(0.0)?.mask(Key::new(42));
    let one =
        |name, kernel: Result<Counted>| Ok::<_, Box<dyn std::error::Error>>(Subject { name, kernels: vec![kernel?] });
    Ok(vec![
        one("bias, relu, dropout, residual", fused(target, mask, Activation::Relu, false))?,
        one("bias, relu, dropout, backward", fused(target, mask, Activation::Relu, true))?,
        one("bias, gelu, dropout, residual", fused(target, mask, Activation::Gelu, false))?,
        one("bias, gelu, dropout, backward", fused(target, mask, Activation::Gelu, true))?,
        one("softmax, rows of 512", softmax(target, none, false))?,
        one("softmax and dropout", softmax(target, mask, false))?,
        one("softmax, backward", softmax(target, none, true))?,
        one("softmax and dropout, backward", softmax(target, mask, true))?,
        one("product, a term", drop_connect(target, none))?,
        one("DropConnect, a term", drop_connect(target, mask))?,
        one("Monte Carlo samples", samples(target, mask))?,
        one("mean and variance of 16 samples", moments(target))?,
        one("entropies of 16 samples of 10 classes", entropy(target))?,
    ])
}
