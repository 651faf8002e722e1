//! Gal's public experiment of Monte Carlo dropout in regression (Gal & Ghahramani, ICML 2016, §5.2, and its code): one hidden layer
//! of 50 units, dropout before both layers, root mean squared error and predictive log-likelihood, split by split. The splits'
//! networks are trained at once.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use burn::{module::Module, tensor::Tensor};
use wgpu_dropout::Dropout;
use wgpu_dropout_burn::Keys;

use crate::{
    Error, Lab, Measured,
    data::Table,
    network::{Network, Training, dropped, read, tensor, train},
};

const HIDDEN: usize = 50;
const BATCH: usize = 128;
/// The prior's length scale, squared.
const LENGTH_SCALE_SQUARED: f64 = 1e-4;

/// What the experiment is run with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A folder with `data.txt`, `index_features.txt`, `index_target.txt`, `index_train_K.txt`, `index_test_K.txt`, K from 0 on.
    folder: Option<PathBuf>,
    p: Option<f64>,
    tau: Option<f64>,
    epochs: Option<usize>,
    splits: Option<usize>,
    samples: Option<usize>,
}

impl Options {
    pub fn parse(words: &[String]) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word}: a value is missing"));
            match word.as_str() {
                "--p" => options.p = Some(number(word, value()?)?),
                "--tau" => options.tau = Some(number(word, value()?)?),
                "--epochs" => options.epochs = Some(number(word, value()?)?),
                "--splits" => options.splits = Some(number(word, value()?)?),
                "--samples" => options.samples = Some(number(word, value()?)?),
                folder if !folder.starts_with('-') && options.folder.is_none() => options.folder = Some(folder.into()),
                _ => return Err(format!("{word}: expected FOLDER, --p, --tau, --epochs, --splits or --samples").into()),
            }
        }
        if options.tau.is_some_and(|tau| !(tau > 0.0 && tau.is_finite())) {
            return Err("--tau: give a precision above 0, in units of the target to the power of −2".into());
        }
        for (name, count) in [("epochs", options.epochs), ("splits", options.splits), ("samples", options.samples)] {
            if count == Some(0) {
                return Err(format!("--{name} 0: give 1 at least").into());
            }
        }
        Ok(options)
    }

    /// Whether somebody asked for it by itself, and wants lines to read.
    const fn is_asked(&self) -> bool {
        self.folder.is_some() || self.p.is_some() || self.tau.is_some() || self.splits.is_some()
    }
}

fn number<T: FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| format!("{name} {text}: {error}").into())
}

/// Examples of a split, standardised by those to learn from; targets of the test as they are.
struct Split {
    x: Vec<f32>,
    y: Vec<f32>,
    test_x: Vec<f32>,
    test_y: Vec<f64>,
    mean: f64,
    deviation: f64,
}

/// For each split: the error and the log-likelihood, of one pass without dropout and of the Monte Carlo samples.
pub fn measure(lab: &Lab) -> Result<Measured, Error> {
    let options = &lab.options;
    let p = options.p.unwrap_or(0.05);
    let (data, splits) = match &options.folder {
        Some(folder) => read_folder(folder, options.splits)?,
        None => own_splits(lab, options.splits.unwrap_or_else(|| lab.size(40, 30)))?,
    };
    // By default the precision that leaves of a standardised target's variance a half, as linear regression does.
    let variance = data.y.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>() / data.len() as f64
        - (data.y.iter().map(|&y| f64::from(y)).sum::<f64>() / data.len() as f64).powi(2);
    let tau = options.tau.unwrap_or(2.0 / variance);
    let splits: Vec<Split> = splits.iter().map(|(train, test)| split(&data, train, test)).collect();
    let (networks, rows, test) = (splits.len(), splits[0].y.len(), splits[0].test_y.len());
    if splits.iter().any(|split| split.y.len() != rows || split.test_y.len() != test) {
        return Err("the splits have different sizes: they are trained side by side, so give those of one size".into());
    }
    let epochs = options.epochs.unwrap_or_else(|| lab.size(400, 60));
    let training = Training { steps: epochs * rows.div_ceil(BATCH), batch: BATCH, rate: 1e-3 };
    let samples = options.samples.unwrap_or_else(|| lab.size(2000, 400));
    let rate = Dropout::new(p)?;
    let penalty = LENGTH_SCALE_SQUARED * (1.0 - p) / (2.0 * rows as f64 * tau);

    let columns = |data: Vec<f32>, rows: usize, device| -> Tensor<3> {
        let width = data.len() / networks / rows;
        tensor(data, [networks, rows, width], device)
    };
    let network = Network::new(lab, 0, networks, &[data.width, HIDDEN, 1])?;
    let network = train(lab, network, rows, training, |network, batch, keys| {
        let of_splits = |from: fn(&Split) -> (&[f32], usize)| -> Vec<f32> {
            let of = |split| {
                let (values, width) = from(split);
                batch.iter().flat_map(move |&i| values[i * width..(i + 1) * width].iter().copied())
            };
            splits.iter().flat_map(of).collect()
        };
        let x = columns(of_splits(|split| (&split.x, split.x.len() / split.y.len())), batch.len(), &lab.device);
        let y = columns(of_splits(|split| (&split.y, 1)), batch.len(), &lab.device);
        let error = network.forward(x, dropped(&[rate; 2], keys))? - y;
        let weights = network.layers.iter().map(|layer| layer.weight.val().square().sum());
        let weights = weights.reduce(|a, b| a + b).ok_or("there are layers")?;
        Ok(error.square().sum() / batch.len() as f64 + weights * penalty)
    })?;
    let network = network.valid();
    lab.progress(1, 2);

    let inner = lab.device.clone().inner();
    let x = columns(splits.iter().flat_map(|split| split.test_x.iter().copied()).collect(), test, &inner);
    let at_once = (100_000 / (networks * test)).clamp(1, samples);
    if samples.div_ceil(at_once) > 65_536 {
        return Err(format!("--samples {samples}: a key has 65,536 samples, give {} at most", 65_536 * at_once).into());
    }
    let raw = |y: f32, split: usize| f64::from(y) * splits[split].deviation + splits[split].mean;
    let standard = read(network.evaluate(x.clone())?)?;
    // The log of the mean of exponentials, streaming, and the mean.
    let mut likelihoods = vec![LogSum::default(); networks * test];
    let mut sums = vec![0.0_f64; networks * test];
    for first in (0..samples).step_by(at_once) {
        let now = at_once.min(samples - first);
        // The fault: one mask for all samples, of which nothing is averaged.
        let keys = lab.keys().with_step(u32::MAX).with_sample(if lab.fault { 0 } else { (first / at_once) as u16 });
        let y = read(samples_of(&network, x.clone(), if lab.fault { 1 } else { now }, rate, keys)?)?;
        for i in 0..networks * test * now {
            let (split, row) = (i / (now * test), i % test);
            let y = raw(if lab.fault { y[split * test + row] } else { y[i] }, split);
            let place = split * test + row;
            sums[place] += y;
            likelihoods[place].add(-0.5 * tau * (splits[split].test_y[row] - y).powi(2));
        }
        lab.progress(samples + first + now, 2 * samples);
    }
    let constant = 0.5 * tau.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
    let mut measured = Measured::new();
    let mean = |values: &dyn Fn(usize, usize) -> f64, split: usize| {
        (0..test).map(|row| values(split, row)).sum::<f64>() / test as f64
    };
    let mut of = |name: &str, values: &dyn Fn(usize, usize) -> f64, root: bool| {
        let values = (0..networks).map(|split| mean(values, split));
        let values = values.map(|mean| if root { mean.sqrt() } else { mean }).collect();
        measured.insert(name.into(), values);
    };
    let target = |split: usize, row: usize| splits[split].test_y[row];
    let single = |split, row| (target(split, row) - raw(standard[split * test + row], split)).powi(2);
    let averaged = |split, row| (target(split, row) - sums[split * test + row] / samples as f64).powi(2);
    of("RMSE, one pass", &single, true);
    of("RMSE, Monte Carlo", &averaged, true);
    of("RMSE, the mean", &|split, row| (target(split, row) - splits[split].mean).powi(2), true);
    of("LL, one pass", &|split, row| constant - 0.5 * tau * single(split, row), false);
    of("LL, mean of samples", &|split, row| constant - 0.5 * tau * averaged(split, row), false);
    of(
        "LL, Monte Carlo",
        &|split, row| constant + likelihoods[split * test + row].value() - (samples as f64).ln(),
        false,
    );
    if options.is_asked() {
        print(&measured, p, tau, epochs, samples);
    }
    measured.insert("p, tau, epochs, samples".into(), vec![p, tau, epochs as f64, samples as f64]);
    Ok(measured)
}

/// So many samples of each row, network by network and sample by sample.
fn samples_of(network: &Network, x: Tensor<3>, count: usize, rate: Dropout, keys: Keys) -> Result<Tensor<3>, Error> {
    network.forward(x.repeat_dim(1, count), dropped(&[rate; 2], keys))
}

/// The log of a sum of exponentials, a term at a time.
#[derive(Clone, Copy)]
struct LogSum {
    largest: f64,
    sum: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self { largest: f64::NEG_INFINITY, sum: 0.0 }
    }
}

impl LogSum {
    fn add(&mut self, term: f64) {
        if term > self.largest {
            self.sum *= (self.largest - term).exp();
            self.largest = term;
        }
        self.sum += (term - self.largest).exp();
    }

    fn value(self) -> f64 {
        self.largest + self.sum.ln()
    }
}

fn print(measured: &Measured, p: f64, tau: f64, epochs: usize, samples: usize) {
    println!(
        "p = {p}, tau = {tau}, {epochs} epochs, {samples} samples\nsplit      RMSE        LL   (one pass: RMSE        LL)"
    );
    let columns =
        ["RMSE, Monte Carlo", "LL, Monte Carlo", "RMSE, one pass", "LL, one pass"].map(|name| &measured[name]);
    for split in 0..columns[0].len() {
        let [rmse, ll, one_rmse, one_ll] = columns.map(|column| column[split]);
        println!("{split:5} {rmse:9.4} {ll:9.4}            {one_rmse:9.4} {one_ll:9.4}");
    }
    let summary = columns.map(|column| {
        let n = column.len() as f64;
        let mean = column.iter().sum::<f64>() / n;
        let squares: f64 = column.iter().map(|value| (value - mean).powi(2)).sum();
        format!("{mean:.4} ± {:.4}", (squares / (n - 1.0) / n).sqrt())
    });
    println!(
        " mean  RMSE {}, LL {}   (one pass: RMSE {}, LL {}), ± standard error",
        summary[0], summary[1], summary[2], summary[3]
    );
}

type Indexes = Vec<(Vec<usize>, Vec<usize>)>;

/// The diabetes data, in random splits of nine to one.
fn own_splits(lab: &Lab, count: usize) -> Result<(Table, Indexes), Error> {
    let data = Table::diabetes()?;
    let split = |number: usize| {
        let order = lab.permutation(500 + number as u16, data.len())?;
        let (test, train) = order.split_at(data.len() / 10);
        Ok((train.to_vec(), test.to_vec()))
    };
    let splits = (0..count).map(split).collect::<Result<_, Error>>()?;
    Ok((data, splits))
}

fn read_folder(folder: &Path, count: Option<usize>) -> Result<(Table, Indexes), Error> {
    let text = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let numbers = |name: &str| -> Result<Vec<f64>, Error> {
        let text = text(name)?;
        text.split_whitespace()
            .map(|word| word.parse().map_err(|error| format!("{name}: {word}: {error}").into()))
            .collect()
    };
    // Indexes are written as floats.
    let indexes =
        |name: &str| -> Result<Vec<usize>, Error> { Ok(numbers(name)?.into_iter().map(|i| i as usize).collect()) };
    let values = numbers("data.txt")?;
    let rows = text("data.txt")?.lines().filter(|line| !line.trim().is_empty()).count();
    if rows == 0 || values.len() % rows != 0 {
        return Err(format!("data.txt: {} numbers in {rows} lines: each line must have as many", values.len()).into());
    }
    let width = values.len() / rows;
    let (features, target) = (indexes("index_features.txt")?, indexes("index_target.txt")?);
    let &[target] = &target[..] else {
        return Err(format!("index_target.txt: {} columns, not one", target.len()).into());
    };
    if let Some(column) = features.iter().chain([&target]).find(|column| **column >= width) {
        return Err(format!("column {column}: data.txt has {width}, from 0 on").into());
    }
    let x = (0..rows).flat_map(|row| features.iter().map(move |&column| (row, column)));
    let data = Table {
        x: x.map(|(row, column)| values[row * width + column] as f32).collect(),
        y: (0..rows).map(|row| values[row * width + target] as f32).collect(),
        width: features.len(),
    };
    let has = |k: usize| folder.join(format!("index_train_{k}.txt")).exists();
    let found = (0..).take_while(|&k| has(k)).count();
    let count = count.unwrap_or(found);
    if count == 0 || count > found {
        return Err(format!("{}: there are {found} splits, not {count}", folder.display()).into());
    }
    let split = |k: usize| -> Result<_, Error> {
        let (train, test) = (indexes(&format!("index_train_{k}.txt"))?, indexes(&format!("index_test_{k}.txt"))?);
        match train.iter().chain(&test).find(|row| **row >= rows) {
            Some(row) => Err(format!("split {k}: row {row}, and data.txt has {rows}, from 0 on").into()),
            None if train.len() < 2 || test.is_empty() => Err(format!("split {k} is empty").into()),
            None => Ok((train, test)),
        }
    };
    Ok((data, (0..count).map(split).collect::<Result<_, Error>>()?))
}

fn split(data: &Table, train: &[usize], test: &[usize]) -> Split {
    let moments = |values: &dyn Fn(usize) -> f64| {
        let mean = train.iter().map(|&i| values(i)).sum::<f64>() / train.len() as f64;
        let variance = train.iter().map(|&i| (values(i) - mean).powi(2)).sum::<f64>() / train.len() as f64;
        (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
    };
    let (mean, deviation) = moments(&|i| f64::from(data.y[i]));
    let columns: Vec<_> = (0..data.width).map(|column| moments(&|i| f64::from(data.row(i)[column]))).collect();
    let standardised = |rows: &[usize]| {
        let row = |&i: &usize| {
            data.row(i).iter().zip(&columns).map(|(&x, (mean, deviation))| ((f64::from(x) - mean) / deviation) as f32)
        };
        rows.iter().flat_map(row).collect()
    };
    Split {
        x: standardised(train),
        y: train.iter().map(|&i| ((f64::from(data.y[i]) - mean) / deviation) as f32).collect(),
        test_x: standardised(test),
        test_y: test.iter().map(|&i| f64::from(data.y[i])).collect(),
        mean,
        deviation,
    }
}
