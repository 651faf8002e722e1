//! Networks with dropout before the last batch norm and after it: the variance that it has learnt, and the one it meets.

use burn::{
    module::Module,
    nn::{BatchNorm, BatchNormConfig},
    tensor::{Tensor, activation::relu},
};
use wgpu_dropout::Dropout;
use wgpu_dropout_burn::{Keys, dropout};

use crate::{
    Error, Lab, Measured,
    data::Table,
    network::{CLASSES, Dense, Training, accuracies, cross_entropy, losses, one_hot, read, tensor, train},
};

const HIDDEN: usize = 48;
const RATE: f64 = 0.5;
const TRAINED: usize = 400;

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Before,
    After,
}

#[derive(Module, Debug)]
struct Normed {
    first: Dense,
    first_norm: BatchNorm,
    second: Dense,
    second_norm: BatchNorm,
    third: Dense,
}

impl Normed {
    fn new(lab: &Lab, networks: usize, inputs: usize) -> Result<Self, Error> {
        let norm = || BatchNormConfig::new(networks * HIDDEN).init(&lab.device);
        Ok(Self {
            first: Dense::new(lab, 0, [networks, inputs, HIDDEN])?,
            first_norm: norm(),
            second: Dense::new(lab, 1, [networks, HIDDEN, HIDDEN])?,
            second_norm: norm(),
            third: Dense::new(lab, 2, [networks, HIDDEN, CLASSES])?,
        })
    }

    /// What the second layer gets, before any dropout.
    fn hidden(&self, x: Tensor<3>) -> Tensor<3> {
        relu(norm(&self.first_norm, self.first.forward(x)))
    }

    fn forward(&self, x: Tensor<3>, noise: Option<(Place, Dropout, Keys)>) -> Result<Tensor<3>, Error> {
        let at = |place, x| match noise {
            Some((chosen, rate, keys)) if chosen == place => dropout(x, &rate.mask(keys.key(0))),
            _ => Ok(x),
        };
        let x = at(Place::Before, self.hidden(x))?;
        let x = relu(norm(&self.second_norm, self.second.forward(x)));
        Ok(self.third.forward(at(Place::After, x)?))
    }
}

/// Burn's batch norm of the features of every network.
fn norm(norm: &BatchNorm, x: Tensor<3>) -> Tensor<3> {
    let [networks, rows, features] = x.dims();
    let x: Tensor<2> = x.swap_dims(0, 1).reshape([rows, networks * features]);
    norm.forward(x).reshape([rows, networks, features]).swap_dims(0, 1)
}

/// For each place and network: accuracy and loss, the same with the statistics of evaluation, and the mean over units of the
/// ratio of variances, measured and of theory.
pub fn measure(lab: &Lab) -> Result<Measured, Error> {
    let digits = Table::digits()?;
    let networks = lab.size(48, 16);
    let training = Training { steps: 80, batch: 100, rate: 5e-3 };
    let passes = lab.size(100, 24) as u16;
    let order = lab.permutation(1, digits.len())?;
    let (chosen, test) = order.split_at(TRAINED);
    let inner = lab.device.clone().inner();
    let of_rows = |rows: &[usize]| -> Tensor<3> {
        let x: Tensor<3> = tensor(digits.rows(rows), [1, rows.len(), digits.width], &inner);
        x.expand([networks, rows.len(), digits.width])
    };
    let rate = Dropout::new(RATE)?;
    let mut measured = Measured::new();
    for (done, (name, place)) in [("before", Place::Before), ("after", Place::After)].into_iter().enumerate() {
        let model = Normed::new(lab, networks, digits.width)?;
        let model = train(lab, model, TRAINED, training, |model, batch, keys| {
            let rows: Vec<usize> = batch.iter().map(|&i| chosen[i]).collect();
            let y = one_hot(&digits.labels(&rows), 1, &lab.device);
            Ok(cross_entropy(model.forward(Tensor::from_inner(of_rows(&rows)), Some((place, rate, keys)))?, y))
        })?;
        let model = model.valid();
        let hidden = model.hidden(of_rows(chosen));
        // The variance that the second norm meets, unit by unit, in training and in evaluation.
        let variance = |noise: Option<u16>| -> Result<Tensor<3>, Error> {
            let x = match noise {
                Some(sample) if place == Place::Before => {
                    let keys = lab.keys().with_step(u32::MAX).with_sample(sample);
                    dropout(hidden.clone(), &rate.mask(keys.key(0)))?
                }
                _ => hidden.clone(),
            };
            Ok(model.second.forward(x).var(1))
        };
        let mut sum = Tensor::zeros([networks, 1, HIDDEN], &inner);
        for pass in 0..passes {
            sum = sum + variance(Some(pass))?;
        }
        let in_training = sum / f64::from(passes);
        // The fault: evaluation drops too.
        let evaluated = variance(lab.fault.then_some(passes))?;
        let squares: Tensor<3> = hidden.clone().square().mean_dim(1);
        let weights = model.second.weight.val();
        let added = squares.matmul(weights.square()) * (RATE / (1.0 - RATE));
        let exact: Tensor<3> = model.second.forward(hidden.clone()).var(1);
        let theory = match place {
            Place::Before => exact.clone() / (exact.clone() + added),
            Place::After => Tensor::ones([networks, 1, HIDDEN], &inner),
        };
        let learnt: Tensor<3> = model.second_norm.running_var.value().reshape([networks, 1, HIDDEN]);
        let x = of_rows(test);
        let labels = digits.labels(test);
        let logits = model.forward(x.clone(), None)?;
        measured.insert(format!("{name}: accuracy"), accuracies(logits.clone(), &labels)?);
        measured.insert(format!("{name}: loss"), losses(logits, &labels)?);
        measured.insert(format!("{name}: ratio"), means(evaluated / in_training)?);
        measured.insert(format!("{name}: theory"), means(theory)?);
        measured.insert(format!("{name}: ratio to what was learnt"), means(exact.clone() / learnt)?);
        // The statistics of evaluation in the place of those of training.
        let mean: Tensor<1> = model.second.forward(hidden).mean_dim(1).reshape([networks * HIDDEN]);
        model.second_norm.running_mean.update(mean);
        model.second_norm.running_var.update(exact.reshape([networks * HIDDEN]));
        // Updates are taken over at the next synchronised reading.
        model.second_norm.running_mean.value_sync();
        model.second_norm.running_var.value_sync();
        let logits = model.forward(x, None)?;
        measured.insert(format!("{name}: accuracy, statistics of evaluation"), accuracies(logits.clone(), &labels)?);
        measured.insert(format!("{name}: loss, statistics of evaluation"), losses(logits, &labels)?);
        lab.progress(done + 1, 2);
    }
    Ok(measured)
}

/// The mean over a network's units.
fn means(x: Tensor<3>) -> Result<Vec<f64>, Error> {
    Ok(read(x.mean_dim(2))?.into_iter().map(f64::from).collect())
}
