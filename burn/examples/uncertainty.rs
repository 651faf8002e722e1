//! A network learns handwritten digits, and says of those that it has not seen what it takes them for, and how sure it is. It
//! is asked for pictures of noise too, which are no digits.
//!
//! `cargo run --release --example uncertainty`

#[path = "common/digits.rs"]
mod digits;

use std::error::Error;

use burn::{
    module::Module,
    nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, loss::CrossEntropyLossConfig},
    optim::{AdamConfig, GradientsParams},
    tensor::{Device, Distribution, Tensor, activation::relu},
};
use digits::{Digit, PIXELS, batch, read};
use wgpu_dropout_burn::{Dropout, DropoutConfig, Keys, Layers, MonteCarlo, Uncertainty};

const CLASSES: usize = 10;
const BATCH: usize = 64;
const EPOCHS: u32 = 15;
const SAMPLES: u32 = 50;
const SEED: u64 = 42;

#[derive(Module, Debug)]
struct Network {
    hidden: Linear,
    norm: BatchNorm,
    dropout: Dropout,
    output: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(PIXELS, 256).init(device),
            norm: BatchNormConfig::new(256).init(device),
            dropout: DropoutConfig::new(0.5).init(&mut Layers::new()),
            output: LinearConfig::new(256, CLASSES).init(device),
        }
    }

    fn forward(&self, pictures: Tensor<2>, keys: Keys) -> Tensor<2> {
        let x = relu(self.norm.forward(self.hidden.forward(pictures)));
        self.output.forward(self.dropout.forward(x, keys))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::wgpu(Default::default());
    let training = device.clone().autodiff();
    training.seed(SEED); // of the parameters; the masks have Keys
    let (learnt, held_out) = read()?;
    let network = train(Network::new(&training), &learnt, &training).valid();

    // On a device without autodiff batch norm is in evaluation; the keys of samples turn dropout on.
    let samples = MonteCarlo::new(Keys::new(SEED), 0..SAMPLES)?;
    let (pictures, labels) = batch(&held_out, &device);
    let noise = Tensor::random(pictures.dims(), Distribution::Uniform(0.0, 1.0), &device);
    let uncertainty = samples.uncertainty(|keys| network.forward(pictures.clone(), keys))?;
    let of_noise = samples.uncertainty(|keys| network.forward(noise.clone(), keys))?;

    let guesses = uncertainty.mean_probability()?.argmax(1).flatten::<1>(0, 1);
    let right: Vec<i32> = guesses.equal(labels).int().into_data().try_to_vec()?;
    let information: Vec<f32> = uncertainty.entropies()?.mutual_information.into_data().try_to_vec()?;
    let mean_where = |wanted| {
        let of: Vec<_> = information.iter().zip(&right).filter(|(_, is_right)| **is_right == wanted).collect();
        of.iter().map(|(information, _)| **information).sum::<f32>() / of.len() as f32
    };
    let correct = right.iter().filter(|&&is_right| is_right == 1).count();
    println!("{correct} of {} digits right that it had not seen, {SAMPLES} samples of each", right.len());
    report("digits", &uncertainty)?;
    println!("  mutual information where it is right {:.3}, where it is wrong {:.3}", mean_where(1), mean_where(0));
    report("noise", &of_noise)?;

    let surer = |information: f32| information < mean(of_noise.entropies().map(|of| of.mutual_information));
    if correct * 10 < right.len() * 9 || !surer(mean(uncertainty.entropies().map(|of| of.mutual_information))) {
        return Err("it has more than 90 % right, and is surer of digits than of noise, when all is well".into());
    }
    Ok(())
}

fn train(mut network: Network, digits: &[Digit], device: &Device) -> Network {
    let mut optimizer = AdamConfig::new().init();
    let loss_of = CrossEntropyLossConfig::new().init(device);
    let batches = digits.len().div_ceil(BATCH) as u32;
    for step in 0..EPOCHS * batches {
        let first = (step % batches) as usize * BATCH;
        let (pictures, labels) = batch(&digits[first..digits.len().min(first + BATCH)], device);
        let loss = loss_of.forward(network.forward(pictures, Keys::new(SEED).with_step(step)), labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(1e-3, network, gradients);
    }
    network
}

fn report(name: &str, uncertainty: &Uncertainty) -> Result<(), Box<dyn Error>> {
    let entropies = uncertainty.entropies()?;
    println!(
        "{name}: in nats, predictive entropy {:.3} = expected entropy {:.3} + mutual information {:.3}",
        mean(Ok(entropies.predictive_entropy)),
        mean(Ok(entropies.expected_entropy)),
        mean(Ok(entropies.mutual_information)),
    );
    Ok(())
}

fn mean(of_rows: Result<Tensor<1>, wgpu_dropout_burn::Error>) -> f32 {
    of_rows.map_or(f32::NAN, |of_rows| of_rows.mean().into_scalar())
}
