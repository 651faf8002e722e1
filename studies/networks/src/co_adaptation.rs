//! Few examples: networks without noise, with dropout, and with Gaussian noise of the same variance.

use burn::{module::Module, tensor::Tensor};
use wgpu_dropout::{Dropout, Key, Kind};

use crate::{
    Error, Lab, Measured,
    data::Table,
    network::{CLASSES, Network, Training, accuracies, cross_entropy, dropped, losses, one_hot, tensor, train},
};

/// Examples to learn from.
const FEW: usize = 50;
const HIDDEN: usize = 64;
const RATE: f64 = 0.5;

/// Networks × (train, test) accuracy and loss of each kind of noise; each network has examples of its own.
pub fn measure(lab: &Lab) -> Result<Measured, Error> {
    let digits = Table::digits()?;
    let networks = lab.size(192, 96);
    let training = Training { steps: 120, batch: FEW, rate: 1.5e-2 };
    let order = lab.permutation(1, digits.len())?;
    let (test, rest) = order.split_at(500);
    let mut chosen = vec![];
    for network in 0..networks {
        let order = lab.permutation(2 + network as u16, rest.len())?;
        chosen.extend(order[..FEW].iter().map(|&i| rest[i]));
    }
    let (train_labels, test_labels) = (digits.labels(&chosen), digits.labels(test));
    let x = tensor(digits.rows(&chosen), [networks, FEW, digits.width], &lab.device);
    let y = one_hot(&train_labels, networks, &lab.device);
    let inner = lab.device.clone().inner();
    let unseen: Tensor<3> = tensor(digits.rows(test), [1, test.len(), digits.width], &inner);
    let unseen: Tensor<3> = unseen.expand([networks, test.len(), digits.width]);
    let mut measured = Measured::new();
    let kinds = [("none", Kind::Inverted, 0.0), ("dropout", Kind::Inverted, RATE), ("gaussian", Kind::Gaussian, RATE)];
    for (done, (name, kind, p)) in kinds.into_iter().enumerate() {
        // At the input less, as is usual; the fault is that nothing is dropped at all.
        let rate = |p: f64| Dropout::of_kind(kind, if lab.fault { 0.0 } else { p });
        let rates = [rate(p * 0.4)?, rate(p)?];
        // The same initial weights for each kind.
        let network = Network::new(lab, 40, networks, &[digits.width, HIDDEN, CLASSES])?;
        let network = train(lab, network, FEW, training, |network, _, keys| {
            Ok(cross_entropy(network.forward(x.clone(), dropped(&rates, keys))?, y.clone()))
        })?;
        let network = network.valid();
        let seen = network.evaluate(x.clone().inner())?;
        let logits = network.evaluate(unseen.clone())?;
        // Half of the hidden units taken away for good: who relies on them?
        let halved = network.forward(unseen.clone(), |layer, x| match layer {
            0 => Ok(x),
            _ => {
                let mask = Dropout::new(0.5)?.mask(Key::new(7).with_layer(layer));
                let units = Tensor::<3>::ones([networks, 1, HIDDEN], &inner);
                Ok(x * wgpu_dropout_burn::dropout(units, &mask)?)
            }
        })?;
        measured.insert(format!("{name}: train accuracy"), accuracies(seen.clone(), &train_labels)?);
        measured.insert(format!("{name}: test accuracy"), accuracies(logits.clone(), &test_labels)?);
        measured.insert(format!("{name}: train loss"), losses(seen, &train_labels)?);
        measured.insert(format!("{name}: test loss"), losses(logits, &test_labels)?);
        measured.insert(format!("{name}: half of the units"), accuracies(halved, &test_labels)?);
        lab.progress(done + 1, 3);
    }
    Ok(measured)
}
