//! Monte Carlo dropout: what many forward passes with dropout say of digits that are as those it learnt from, and of turned ones.

use burn::{
    module::Module,
    tensor::{Tensor, activation::softmax},
};
use wgpu_dropout::{Context, Dropout, Uncertainty};

use crate::{
    Error, Lab, Measured,
    data::Table,
    network::{CLASSES, Network, Training, best, cross_entropy, dropped, one_hot, read, tensor, train},
};

const HIDDEN: usize = 64;
const POOL: usize = 500;
const TRAINED: usize = 200;
/// Ones that are turned.
const TURNED: usize = 100;
/// Degrees.
const ANGLES: [f64; 13] = [0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 105.0, 120.0, 135.0, 150.0, 165.0, 180.0];
const SIDE: usize = 8;

/// Networks × digits: what is wrong, confidences and uncertainties. Networks × ones × angles: entropies.
pub fn measure(lab: &Lab) -> Result<Measured, Error> {
    let digits = Table::digits()?;
    let networks = lab.size(16, 8);
    let training = Training { steps: lab.size(400, 200), batch: 100, rate: 5e-3 };
    let samples = lab.size(256, 40) as u16;
    let order = lab.permutation(1, digits.len())?;
    let (pool, test) = order.split_at(POOL);
    let mut chosen = vec![];
    for network in 0..networks {
        let order = lab.permutation(2 + network as u16, POOL)?;
        chosen.push(order[..TRAINED].iter().map(|&i| pool[i]).collect::<Vec<_>>());
    }
    let inner = lab.device.clone().inner();
    let rates = [Dropout::new(0.1)?, Dropout::new(0.3)?, Dropout::new(0.3)?];
    let network = Network::new(lab, 0, networks, &[digits.width, HIDDEN, HIDDEN, CLASSES])?;
    let network = train(lab, network, TRAINED, training, |network, batch, keys| {
        let rows: Vec<usize> = chosen.iter().flat_map(|chosen| batch.iter().map(|&i| chosen[i])).collect();
        let x = tensor(digits.rows(&rows), [networks, batch.len(), digits.width], &lab.device);
        let y = one_hot(&digits.labels(&rows), networks, &lab.device);
        Ok(cross_entropy(network.forward(x, dropped(&rates, keys))?, y))
    })?;
    let network = network.valid();
    lab.progress(1, 3);

    let ones: Vec<usize> = test.iter().copied().filter(|&i| digits.y[i] == 1.0).take(TURNED).collect();
    let mut data = digits.rows(test);
    data.extend(
        ones.iter()
            .flat_map(|&one| ANGLES.iter().flat_map(move |&angle| vec![(one, angle)]))
            .flat_map(|(one, angle)| turned(digits.row(one), angle)),
    );
    let rows = data.len() / digits.width;
    let x: Tensor<3> = tensor(data, [1, rows, digits.width], &inner);
    let x: Tensor<3> = x.expand([networks, rows, digits.width]);

    // The samples' logits stream through the library's accumulators.
    let context = Context::new_blocking()?;
    let mut uncertainty = Uncertainty::new((networks * rows) as u64, CLASSES as u64)?;
    let (mut probability, mut entropy) = (vec![0.0_f32; networks * rows * CLASSES], vec![0.0_f32; networks * rows]);
    for sample in 0..samples {
        // The fault: one mask for all samples.
        let keys = lab.keys().with_step(u32::MAX).with_sample(if lab.fault { 0 } else { sample });
        let logits = read(network.forward(x.clone(), dropped(&rates, keys))?)?;
        context.run_pass_blocking(uncertainty.update(&logits[..], &mut probability[..], &mut entropy[..]))?;
        uncertainty = uncertainty.with_count(u64::from(sample) + 1);
        lab.progress(usize::from(samples + sample), 3 * usize::from(samples));
    }
    let [mut predictive, mut expected, mut information] = [(); 3].map(|()| vec![0.0_f32; networks * rows]);
    context.run_pass_blocking(uncertainty.finish(
        &probability[..],
        &entropy[..],
        &mut predictive[..],
        &mut expected[..],
        &mut information[..],
    ))?;
    let deterministic = read(softmax(network.evaluate(x)?, 2))?;

    let labels = digits.labels(test);
    let tested = || (0..networks).flat_map(|network| (0..test.len()).map(move |digit| (network * rows + digit, digit)));
    let turned = || (0..networks).flat_map(|network| (test.len()..rows).map(move |row| network * rows + row));
    let mut measured = Measured::new();
    measured.insert("networks".into(), vec![networks as f64]);
    measured.insert("angles".into(), ANGLES.to_vec());
    for (name, probability) in [("Monte Carlo", &probability), ("deterministic", &deterministic)] {
        let row = |row: usize| &probability[row * CLASSES..(row + 1) * CLASSES];
        let wrong = tested().map(|(i, digit)| f64::from(u8::from(best(row(i)) != labels[digit])));
        measured.insert(format!("{name}: wrong"), wrong.collect());
        measured
            .insert(format!("{name}: confidence"), tested().map(|(i, _)| f64::from(row(i)[best(row(i))])).collect());
        let loss = tested().map(|(i, digit)| -f64::from(row(i)[labels[digit]].max(f32::MIN_POSITIVE)).ln());
        measured.insert(format!("{name}: loss"), loss.collect());
        measured.insert(format!("{name}: one, turned"), turned().map(|i| f64::from(row(i)[1])).collect());
        let entropy = |i: usize| row(i).iter().map(|&p| -f64::from(p) * f64::from(p.max(f32::MIN_POSITIVE)).ln()).sum();
        measured.insert(format!("{name}: entropy, turned"), turned().map(entropy).collect());
    }
    measured.insert("information".into(), tested().map(|(i, _)| f64::from(information[i])).collect());
    measured.insert("entropy".into(), tested().map(|(i, _)| f64::from(predictive[i])).collect());
    measured.insert("information, turned".into(), turned().map(|i| f64::from(information[i])).collect());
    measured.insert("entropy, turned".into(), turned().map(|i| f64::from(predictive[i])).collect());
    Ok(measured)
}

/// A digit, turned by so many degrees about its middle, linearly between pixels.
fn turned(digit: &[f32], degrees: f64) -> Vec<f32> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let middle = (SIDE as f64 - 1.0) / 2.0;
    let at = |row: f64, column: f64| {
        let inside = |place: f64| (0.0..SIDE as f64).contains(&place);
        if inside(row) && inside(column) { f64::from(digit[row as usize * SIDE + column as usize]) } else { 0.0 }
    };
    let pixel = |i: usize| {
        let (down, right) = ((i / SIDE) as f64 - middle, (i % SIDE) as f64 - middle);
        let (row, column) = (middle + cos * down - sin * right, middle + sin * down + cos * right);
        let (top, left) = (row.floor(), column.floor());
        let (lower, later) = (row - top, column - left);
        let along = |row| at(row, left) * (1.0 - later) + at(row, left + 1.0) * later;
        (along(top) * (1.0 - lower) + along(top + 1.0) * lower) as f32
    };
    (0..SIDE * SIDE).map(pixel).collect()
}
