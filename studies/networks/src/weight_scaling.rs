//! Networks of 0 to 3 hidden layers, trained with dropout: the scaled network beside the mean over masks.

use burn::{
    module::Module,
    tensor::{Tensor, activation::softmax},
};
use wgpu_dropout::Dropout;
use wgpu_dropout_burn::dropout;

use crate::{
    Error, Lab, Measured,
    data::Table,
    network::{CLASSES, Network, Training, accuracies, cross_entropy, dropped, one_hot, read, tensor, train},
};

const HIDDEN: usize = 32;
const RATE: f64 = 0.4;
const TRAINED: usize = 400;

/// By the number of hidden layers, for each network: the share of the ensemble's logits that the scaled network misses, the
/// distance of their probabilities, and the accuracy of the scaled network.
pub fn measure(lab: &Lab) -> Result<Measured, Error> {
    let digits = Table::digits()?;
    let networks = lab.size(48, 48);
    let training = Training { steps: lab.size(200, 80), batch: 100, rate: 5e-3 };
    let (shown, samples, chunk) = (lab.size(48, 24), lab.size(768, 128), 32);
    let order = lab.permutation(1, digits.len())?;
    let (chosen, test) = order.split_at(TRAINED);
    let inner = lab.device.clone().inner();
    let of_rows = |rows: &[usize], copies: usize| -> Tensor<3> {
        let x: Tensor<3> = tensor(digits.rows(rows).repeat(copies), [1, copies * rows.len(), digits.width], &inner);
        x.expand([networks, copies * rows.len(), digits.width])
    };
    let dropout_of = Dropout::new(RATE)?;
    let mut measured = Measured::new();
    for depth in 0..=3 {
        let rates = vec![dropout_of; depth + 1];
        let widths: Vec<usize> = [vec![digits.width], vec![HIDDEN; depth], vec![CLASSES]].concat();
        let network = Network::new(lab, depth as u16, networks, &widths)?;
        let network = train(lab, network, TRAINED, training, |network, batch, keys| {
            let rows: Vec<usize> = batch.iter().map(|&i| chosen[i]).collect();
            let x: Tensor<3> = tensor(digits.rows(&rows), [1, rows.len(), digits.width], &lab.device);
            let x: Tensor<3> = x.expand([networks, rows.len(), digits.width]);
            let y = one_hot(&digits.labels(&rows), 1, &lab.device);
            Ok(cross_entropy(network.forward(x, dropped(&rates, keys))?, y))
        })?;
        let network = network.valid();
        // The fault: the scale is in the weights already, and is applied once more.
        let scaled = |x: Tensor<3>| network.forward(x, |_, x| Ok(if lab.fault { x * (1.0 - RATE) } else { x }));
        let logits = scaled(of_rows(&test[..shown], 1))?;
        // The mean over masks, in two halves, whose errors are independent.
        let mean = |half: u16, from: u16| -> Result<Tensor<3>, Error> {
            let x = of_rows(&test[..shown], chunk);
            let mut sum = Tensor::zeros([networks, shown, CLASSES], &inner);
            let chunks = (samples / 2 / chunk) as u16;
            for sample in 0..chunks {
                let keys = lab.keys().with_step(u32::MAX).with_sample(half * chunks + sample);
                let y = network.forward(x.clone(), |layer, x| match layer {
                    layer if layer < from => Ok(x),
                    layer => Ok(dropout(x, &dropout_of.mask(keys.key(layer)))?),
                })?;
                let y: Tensor<3> = y.reshape([networks, chunk, shown * CLASSES]).sum_dim(1);
                sum = sum + y.reshape([networks, shown, CLASSES]);
            }
            Ok(centred(sum / (f64::from(chunks) * chunk as f64)))
        };
        let off = |from: u16| -> Result<(Vec<f64>, Vec<f64>), Error> {
            let (first, second, scaled) = (mean(0, from)?, mean(1, from)?, centred(logits.clone()));
            let missed = (first.clone() - scaled.clone()) * (second.clone() - scaled.clone());
            let all = first.clone() * second.clone();
            let share = missed.sum_dims(&[1, 2]) / all.sum_dims(&[1, 2]);
            let between = softmax((first + second) / 2.0, 2) - softmax(scaled, 2);
            let distance = between.abs().sum_dim(2).mean_dim(1) / 2.0;
            Ok((numbers(share)?, numbers(distance)?))
        };
        let (share, distance) = off(0)?;
        measured.insert(format!("{depth}: share"), share);
        measured.insert(format!("{depth}: distance"), distance);
        if depth == 3 {
            measured.insert("last: share".into(), off(3)?.0);
        }
        let unseen = &test[test.len() - 500..];
        measured.insert(format!("{depth}: accuracy"), accuracies(scaled(of_rows(unseen, 1))?, &digits.labels(unseen))?);
        lab.progress(depth + 1, 4);
    }
    Ok(measured)
}

/// Without what all classes have in common, which softmax does not see.
fn centred(logits: Tensor<3>) -> Tensor<3> {
    let mean = logits.clone().mean_dim(2);
    logits - mean
}

fn numbers(x: Tensor<3>) -> Result<Vec<f64>, Error> {
    Ok(read(x)?.into_iter().map(f64::from).collect())
}
