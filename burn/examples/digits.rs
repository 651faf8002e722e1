//! Two networks learn 1,797 handwritten digits, with dropout on the GPU, and are asked for those that they have not seen.
//!
//! `cargo run --release --example digits`

#[path = "common/digits.rs"]
mod digits;

use std::error::Error;

use burn::{
    module::Module,
    nn::{
        Linear, LinearConfig,
        conv::{Conv2d, Conv2dConfig},
        loss::CrossEntropyLossConfig,
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Int, Tensor, activation::relu},
};
use digits::{Digit, PIXELS, batch};
use wgpu_dropout_burn::{Dropout, Dropout2d, Dropout2dConfig, DropoutConfig, Keys, Layers};

const SIDE: usize = 8;
const CLASSES: usize = 10;
const BATCH: usize = 64;
const SEED: u64 = 42;

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::wgpu(Default::default());
    let (learnt, held_out) = digits::read()?;
    println!("{} digits to learn from, {} held out", learnt.len(), held_out.len());

    let training = device.clone().autodiff();
    training.seed(SEED); // of the parameters; the masks have Keys
    let mlp = train(Mlp::new(&training), "MLP", 20, &learnt, &training)?;
    report("MLP", &mlp, &held_out, &device)?;
    let convolutional = train(Convolutional::new(&training), "convolutional", 10, &learnt, &training)?;
    report("convolutional", &convolutional, &held_out, &device)
}

/// A network that tells digits apart.
trait Network: Module + Clone {
    /// Pictures `[batch, 1, 8, 8]` to `[batch, 10]`.
    fn forward(&self, pictures: Tensor<4>, keys: Keys) -> Tensor<2>;
}

#[derive(Module, Debug)]
struct Mlp {
    dropout_of_pixels: Dropout,
    hidden: Linear,
    dropout: Dropout,
    output: Linear,
}

impl Mlp {
    /// Srivastava et al. (2014) drop 0.2 of an input layer and 0.5 of a hidden one.
    fn new(device: &Device) -> Self {
        let mut layers = Layers::new();
        Self {
            dropout_of_pixels: DropoutConfig::new(0.2).init(&mut layers),
            hidden: LinearConfig::new(PIXELS, 256).init(device),
            dropout: DropoutConfig::new(0.5).init(&mut layers),
            output: LinearConfig::new(256, CLASSES).init(device),
        }
    }
}

impl Network for Mlp {
    fn forward(&self, pictures: Tensor<4>, keys: Keys) -> Tensor<2> {
        let x = self.dropout_of_pixels.forward(pictures.flatten::<2>(1, 3), keys);
        self.output.forward(self.dropout.forward(relu(self.hidden.forward(x)), keys))
    }
}

#[derive(Module, Debug)]
struct Convolutional {
    first: Conv2d,
    dropout_of_channels: Dropout2d,
    second: Conv2d,
    pool: MaxPool2d,
    dropout: Dropout,
    output: Linear,
}

impl Convolutional {
    fn new(device: &Device) -> Self {
        let mut layers = Layers::new();
        Self {
            first: Conv2dConfig::new([1, 16], [3, 3]).init(device),
            dropout_of_channels: Dropout2dConfig::new(0.1).init(&mut layers),
            second: Conv2dConfig::new([16, 32], [3, 3]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            dropout: DropoutConfig::new(0.3).init(&mut layers),
            output: LinearConfig::new(32 * 2 * 2, CLASSES).init(device),
        }
    }
}

impl Network for Convolutional {
    fn forward(&self, pictures: Tensor<4>, keys: Keys) -> Tensor<2> {
        let x = self.dropout_of_channels.forward(relu(self.first.forward(pictures)), keys);
        let x = self.pool.forward(relu(self.second.forward(x))).flatten::<2>(1, 3);
        self.output.forward(self.dropout.forward(x, keys))
    }
}

fn train<N: Network>(
    mut network: N,
    name: &str,
    epochs: usize,
    digits: &[Digit],
    device: &Device,
) -> Result<N, Box<dyn Error>> {
    let batches = digits.len().div_ceil(BATCH);
    let mut optimizer = AdamConfig::new().init();
    let loss_of = CrossEntropyLossConfig::new().init(device);
    let keys = Keys::new(SEED);
    let mut step = 0;
    for epoch in 0..epochs {
        for batch in 0..batches {
            let (pictures, labels) = pictures(in_order(digits, batch, epoch), device);
            let logits = network.forward(pictures, keys.with_step(step));
            let loss = loss_of.forward(logits, labels);
            // Reading waits for the device, so now and then.
            if batch == batches - 1 {
                show_progress(name, epoch + 1, epochs, loss.clone().into_scalar());
            }
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(2e-3, network, gradients);
            step += 1;
        }
    }
    eprintln!();
    Ok(network)
}

/// A bar on one line of a terminal.
fn show_progress(name: &str, epoch: usize, epochs: usize, loss: f32) {
    let done = epoch * 30 / epochs;
    eprint!("\r{name}: [{}{}] epoch {epoch} of {epochs}, loss {loss:.3}", "#".repeat(done), ".".repeat(30 - done));
}

/// Without autodiff, so that nothing is dropped.
fn report<N: Network>(name: &str, network: &N, digits: &[Digit], device: &Device) -> Result<(), Box<dyn Error>> {
    let count = digits.len();
    let (pictures, labels) = pictures(digits, device);
    let guesses = network.valid().forward(pictures, Keys::new(SEED)).argmax(1).flatten::<1>(0, 1);
    let right = guesses.equal(labels).int().sum().into_scalar::<i32>() as usize;
    println!(
        "{name}: {right} of {count} digits right that it had not seen, {:.1} %",
        100.0 * right as f64 / count as f64
    );
    if right * 10 < count * 9 {
        return Err(format!("{name} learns more than 90 % of them when all is well").into());
    }
    Ok(())
}

/// The digits of a batch, in an order that is another one each epoch, and the same each time.
fn in_order(digits: &[Digit], batch: usize, epoch: usize) -> impl Iterator<Item = &Digit> {
    // Steps of a size that has no divisor in common with the number of digits come to each of them.
    let common = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let count = digits.len();
    let step = (epoch * 101 + 1..).find(|&step| common(step, count) == 1).unwrap_or(1);
    (batch * BATCH..((batch + 1) * BATCH).min(count)).map(move |i| &digits[i * step % count])
}

/// Pictures `[n, 1, 8, 8]`, and labels `[n]`.
fn pictures<'a>(digits: impl IntoIterator<Item = &'a Digit>, device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
    let (pictures, labels) = batch(digits, device);
    (pictures.reshape([-1, 1, SIDE as i32, SIDE as i32]), labels)
}
