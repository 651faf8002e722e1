//! A hidden layer trained with nothing dropped, with dropout, and with DropConnect, a mask of the weights for each example; and the
//! layer's moments beside samples of its masks.

use burn::{
    module::Module,
    tensor::{
        Tensor,
        activation::{relu, softmax},
    },
};
use wgpu_dropout::{Context, DropConnect, Dropout, Key, Statistics};
use wgpu_dropout_burn::{Keys, dropout};

use crate::{
    Error, Lab, Measured,
    data::Table,
    network::{CLASSES, Network, Training, accuracies, cross_entropy, one_hot, read, tensor, train},
};

const HIDDEN: usize = 32;
const RATE: f64 = 0.5;
const TRAINED: usize = 200;
/// Digits whose moments are compared.
const SHOWN: usize = 16;

#[derive(Clone, Copy, PartialEq)]
enum Noise {
    None,
    Units,
    Weights,
}

/// Logits in training: `noise` is on the hidden layer, its weights or its units.
fn forward(network: &Network, x: Tensor<3>, noise: Noise, rate: Dropout, keys: Keys) -> Result<Tensor<3>, Error> {
    let [hidden, output] = [&network.layers[0], &network.layers[1]];
    let [networks, rows, inputs] = x.dims();
    let h = match noise {
        Noise::Weights => {
            // Each example has weights of its own: networks × rows × inputs × units.
            let weights: Tensor<4> = hidden.weight.val().unsqueeze_dim(1);
            let weights = dropout(weights.expand([networks, rows, inputs, HIDDEN]), &rate.mask(keys.key(0)))?;
            let x: Tensor<4> = x.unsqueeze_dim(3);
            let product: Tensor<4> = (x * weights).sum_dim(2);
            relu(product.squeeze_dim(2) + hidden.bias.val())
        }
        Noise::Units => dropout(relu(hidden.forward(x)), &rate.mask(keys.key(1)))?,
        Noise::None => relu(hidden.forward(x)),
    };
    Ok(output.forward(h))
}

/// For each network: accuracy of each kind of training, and of DropConnect by weights, by moments and by masks; and the moments
/// of the first network's hidden layer, from the library and from samples.
pub fn measure(lab: &Lab) -> Result<Measured, Error> {
    let digits = Table::digits()?;
    let networks = lab.size(32, 24);
    let training = Training { steps: lab.size(300, 80), batch: 50, rate: 5e-3 };
    let order = lab.permutation(1, digits.len())?;
    let (pool, test) = order.split_at(digits.len() - 600);
    let inner = lab.device.clone().inner();
    let mut chosen = vec![];
    for network in 0..networks {
        let order = lab.permutation(2 + network as u16, pool.len())?;
        chosen.push(order[..TRAINED].iter().map(|&i| pool[i]).collect::<Vec<_>>());
    }
    let labels = digits.labels(test);
    let x: Tensor<3> = tensor(digits.rows(test), [1, test.len(), digits.width], &inner);
    let x: Tensor<3> = x.expand([networks, test.len(), digits.width]);
    let rate = Dropout::new(RATE)?;
    let mut measured = Measured::new();
    let mut connected = None;
    for (done, (name, noise)) in
        [("none", Noise::None), ("dropout", Noise::Units), ("DropConnect", Noise::Weights)].into_iter().enumerate()
    {
        let network = Network::new(lab, 0, networks, &[digits.width, HIDDEN, CLASSES])?;
        let network = train(lab, network, TRAINED, training, |network, batch, keys| {
            let rows: Vec<usize> = chosen.iter().flat_map(|chosen| batch.iter().map(|&i| chosen[i])).collect();
            let x = tensor(digits.rows(&rows), [networks, batch.len(), digits.width], &lab.device);
            let y = one_hot(&digits.labels(&rows), networks, &lab.device);
            Ok(cross_entropy(forward(network, x, noise, rate, keys)?, y))
        })?;
        let network = network.valid();
        measured.insert(format!("{name}: accuracy"), accuracies(network.evaluate(x.clone())?, &labels)?);
        if noise == Noise::Weights {
            connected = Some(network);
        }
        lab.progress(done + 1, 4);
    }
    let network = connected.ok_or("it was trained")?;
    let [hidden, output] = [&network.layers[0], &network.layers[1]];

    // Inference by moments: normals in the place of sums over masks.
    let samples = lab.size(64, 16) as u16;
    let mean = hidden.forward(x.clone());
    let variance = x.clone().square().matmul(hidden.weight.val().square()) * (RATE / (1.0 - RATE));
    let mut sum = Tensor::zeros([networks, test.len(), CLASSES], &inner);
    for sample in 0..samples {
        let z = lab.normals(1000 + sample, networks * test.len() * HIDDEN)?;
        let h = relu(mean.clone() + variance.clone().sqrt() * tensor(z, [networks, test.len(), HIDDEN], &inner));
        sum = sum + softmax(output.forward(h), 2);
    }
    measured.insert("by moments: accuracy".into(), accuracies(sum, &labels)?);

    // The first network's hidden layer, by the library.
    let context = Context::new_blocking()?;
    let weights: Vec<f32> = read(hidden.weight.val().slice([0..1, 0..digits.width, 0..HIDDEN]).swap_dims(1, 2))?;
    let input = digits.rows(&test[..SHOWN]);
    let key = Key { seed: lab.keys().key(0).seed, ..Key::new(0) }.with_layer(900);
    let connect = |sample: u16| {
        let mask = rate.mask(key.with_sample(sample));
        DropConnect::new(mask, SHOWN as u64, HIDDEN as u64, digits.width as u64)
    };
    let (mut mean, mut variance) = (vec![0.0_f32; SHOWN * HIDDEN], vec![0.0_f32; SHOWN * HIDDEN]);
    context.run_pass_blocking(connect(0)?.moments(&weights[..], &input[..], &mut mean[..], &mut variance[..]))?;
    let draws = lab.size(4000, 600);
    let mut statistics = Statistics::new((SHOWN * HIDDEN) as u64);
    let (mut sampled, mut m2) = (vec![0.0_f32; SHOWN * HIDDEN], vec![0.0_f32; SHOWN * HIDDEN]);
    let mut y = vec![0.0_f32; SHOWN * HIDDEN];
    for draw in 0..draws {
        // The fault: weights that are dropped without being scaled.
        let weights: Vec<f32> = weights.iter().map(|w| if lab.fault { w * 0.5 } else { *w }).collect();
        context.run_pass_blocking(connect(1 + draw as u16)?.forward(&weights[..], &input[..], &mut y[..]))?;
        context.run_pass_blocking(statistics.update(&y[..], &mut sampled[..], &mut m2[..]))?;
        statistics = statistics.with_count(draw as u64 + 1);
        if draw % 50 == 0 {
            lab.progress(3 * draws + draw, 4 * draws);
        }
    }
    let f64s = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    measured.insert("mean".into(), f64s(mean));
    measured.insert("variance".into(), f64s(variance));
    measured.insert("mean of samples".into(), f64s(sampled));
    measured
        .insert("variance of samples".into(), m2.into_iter().map(|m2| f64::from(m2) / (draws as f64 - 1.0)).collect());
    measured.insert("draws".into(), vec![draws as f64]);
    Ok(measured)
}
