//! Small convolutional networks on upscaled digits: nothing dropped of their features, single elements, and blocks, at the same
//! expected rate.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, activation::relu, module::conv2d, ops::ConvOptions},
};
use wgpu_dropout::{DropBlock, Dropout};
use wgpu_dropout_burn::{Keys, drop_block, dropout};

use crate::{
    Error, Lab, Measured,
    data::Table,
    network::{CLASSES, Dense, Training, accuracies, cross_entropy, losses, one_hot, tensor, train},
};

/// Digits of 8×8 pixels, upscaled to this many.
const SIDE: usize = 16;
const PIXELS: usize = SIDE * SIDE;
/// Channels of the features of which some are dropped, at every pixel, and of those made from them, at every fourth.
const CHANNELS: [usize; 2] = [4, 12];
/// The first convolution has filters of 3×3 pixels, one step apart; the second of 4×4, four steps apart.
const FILTER: usize = 3;
const STEP: usize = 4;
const FEATURES: usize = CHANNELS[1] * (SIDE / STEP) * (SIDE / STEP);
const BLOCK: u64 = 5;
const RATE: f64 = 0.3;
/// Examples to learn from.
const FEW: usize = 100;
const TESTED: usize = 200;

#[derive(Clone, Copy, PartialEq)]
enum Noise {
    None,
    Elements,
    Blocks,
}

/// Independent networks, each of which is a group of the convolutions' channels.
#[derive(Module, Debug)]
struct Convolutional {
    first: Param<Tensor<4>>,
    second: Param<Tensor<4>>,
    output: Dense,
}

impl Convolutional {
    /// With He's initial weights (2015); the convolutions have no bias.
    fn new(lab: &Lab, networks: usize) -> Result<Self, Error> {
        let filters = |number: u16, [outputs, inputs, side]: [usize; 3]| -> Result<_, Error> {
            let shape = [networks * outputs, inputs, side, side];
            let deviation = (2.0 / (inputs * side * side) as f32).sqrt();
            let normals = lab.normals(number, shape.iter().product())?;
            Ok(Param::from_tensor(tensor(normals.iter().map(|z| z * deviation).collect(), shape, &lab.device)))
        };
        let [few, many] = CHANNELS;
        Ok(Self {
            first: filters(0, [few, 1, FILTER])?,
            second: filters(1, [many, few, STEP])?,
            output: Dense::new(lab, 2, [networks, FEATURES, CLASSES])?,
        })
    }

    /// x, rows × networks × 16 × 16, to networks × rows × classes.
    fn forward(&self, x: Tensor<4>, noise: Noise, keys: Keys) -> Result<Tensor<3>, Error> {
        let [rows, networks, ..] = x.dims();
        let convolve = |x, filters: &Param<Tensor<4>>, step, padding| {
            conv2d(x, filters.val(), None, ConvOptions::new([step; 2], [padding; 2], [1; 2], networks))
        };
        let x = dropped(relu(convolve(x, &self.first, 1, FILTER / 2)), noise, keys)?;
        let x = relu(convolve(x, &self.second, STEP, 0));
        Ok(self.output.forward(x.reshape([rows, networks, FEATURES]).swap_dims(0, 1)))
    }
}

/// The features of the first convolution under the noise, scaled.
fn dropped(x: Tensor<4>, noise: Noise, keys: Keys) -> Result<Tensor<4>, Error> {
    let shape = x.dims().map(|extent| extent as u64);
    // Blocks overlap: what they drop is a little less than p, and elements are dropped at the rate that comes of it.
    let blocks = DropBlock::new(RATE, &[BLOCK; 2])?.mask(keys.key(0), &shape)?;
    Ok(match noise {
        Noise::None => x,
        Noise::Elements => {
            let rate = 1.0 - 1.0 / f64::from(blocks.expected_scale()?);
            dropout(x, &Dropout::new(rate)?.mask(keys.key(0)))?
        }
        Noise::Blocks => drop_block(x, &blocks)?,
    })
}

const NOISES: [(&str, Noise); 3] = [("none", Noise::None), ("dropout", Noise::Elements), ("DropBlock", Noise::Blocks)];

/// For each network: accuracy and loss on unseen digits, by what it was trained with and by what is dropped of its features then.
pub fn measure(lab: &Lab) -> Result<Measured, Error> {
    let digits = Table::digits()?;
    let networks = lab.size(40, 24);
    let training = Training { steps: lab.size(60, 40), batch: 20, rate: 1e-2 };
    let passes = lab.size(8, 4) as u16;
    let order = lab.permutation(1, digits.len())?;
    let (test, pool) = order.split_at(TESTED);
    let mut chosen = vec![];
    for network in 0..networks {
        let order = lab.permutation(2 + network as u16, pool.len())?;
        chosen.push(order[..FEW].iter().map(|&i| pool[i]).collect::<Vec<_>>());
    }
    let pictures: Vec<Vec<f32>> = (0..digits.len()).map(|i| upscaled(digits.row(i))).collect();
    let of_rows = |rows: &[usize]| rows.iter().flat_map(|&i| pictures[i].iter().copied()).collect::<Vec<_>>();
    let labels = digits.labels(test);
    let unseen: Tensor<4> = tensor(of_rows(test), [test.len(), 1, SIDE, SIDE], &lab.device.clone().inner());
    let unseen: Tensor<4> = unseen.expand([test.len(), networks, SIDE, SIDE]);
    // The fault: elements are dropped where blocks should be.
    let applied = |noise| if lab.fault && noise == Noise::Blocks { Noise::Elements } else { noise };
    let mut measured = Measured::new();
    for (done, (trained, noise)) in NOISES.into_iter().enumerate() {
        // The same initial weights and batches for each.
        let network = train(lab, Convolutional::new(lab, networks)?, FEW, training, |network, batch, keys| {
            let rows: Vec<usize> = batch.iter().flat_map(|&i| chosen.iter().map(move |chosen| chosen[i])).collect();
            let x = tensor(of_rows(&rows), [batch.len(), networks, SIDE, SIDE], &lab.device);
            let rows: Vec<usize> = chosen.iter().flat_map(|chosen| batch.iter().map(|&i| chosen[i])).collect();
            let y = one_hot(&digits.labels(&rows), networks, &lab.device);
            Ok(cross_entropy(network.forward(x, applied(noise), keys)?, y))
        })?;
        let network = network.valid();
        for (tested, noise) in NOISES {
            let passes = if noise == Noise::None { 1 } else { passes };
            let [mut accuracy, mut loss] = [(); 2].map(|()| vec![0.0; networks]);
            for pass in 0..passes {
                let keys = lab.keys().with_step(u32::MAX).with_sample(pass);
                let logits = network.forward(unseen.clone(), applied(noise), keys)?;
                let add = |sums: &mut [f64], values: Vec<f64>| {
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / f64::from(passes));
                };
                add(&mut accuracy, accuracies(logits.clone(), &labels)?);
                add(&mut loss, losses(logits, &labels)?);
            }
            measured.insert(format!("{trained}, {tested}: accuracy"), accuracy);
            measured.insert(format!("{trained}, {tested}: loss"), loss);
        }
        lab.progress(done + 1, NOISES.len());
    }
    Ok(measured)
}

/// 8×8 pixels to 16×16, linearly between the centres of pixels.
fn upscaled(digit: &[f32]) -> Vec<f32> {
    const FROM: usize = SIDE / 2;
    let weights = |i: usize| {
        let place = ((i as f32 + 0.5) / 2.0 - 0.5).clamp(0.0, FROM as f32 - 1.0);
        let low = (place as usize).min(FROM - 2);
        (low, place - low as f32)
    };
    let pixel = |i: usize| {
        let ((row, down), (column, right)) = (weights(i / SIDE), weights(i % SIDE));
        let along = |row: usize| digit[row * FROM + column] * (1.0 - right) + digit[row * FROM + column + 1] * right;
        along(row) * (1.0 - down) + along(row + 1) * down
    };
    (0..PIXELS).map(pixel).collect()
}
