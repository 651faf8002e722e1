//! Independent networks of one shape, trained at once: the first axis of every tensor says which. A device is as quick with
//! twenty small networks as with one.

use burn::{
    module::{Module, Param},
    optim::{AdamConfig, GradientsParams},
    tensor::{
        Device, Tensor, TensorData,
        activation::{log_softmax, relu},
    },
};
use wgpu_dropout::Dropout;
use wgpu_dropout_burn::{Keys, dropout};

use crate::{Error, Lab};

pub const CLASSES: usize = 10;

/// A linear layer of each network.
#[derive(Module, Debug)]
pub struct Dense {
    /// Networks × inputs × outputs.
    pub weight: Param<Tensor<3>>,
    /// Networks × 1 × outputs.
    pub bias: Param<Tensor<3>>,
}

impl Dense {
    /// With He's initial weights (2015), from the lab's normals of this number.
    pub fn new(lab: &Lab, number: u16, [networks, inputs, outputs]: [usize; 3]) -> Result<Self, Error> {
        let deviation = (2.0 / inputs as f32).sqrt();
        let normals = lab.normals(number, networks * inputs * outputs)?;
        let weight = tensor(normals.iter().map(|z| z * deviation).collect(), [networks, inputs, outputs], &lab.device);
        let bias = Tensor::zeros([networks, 1, outputs], &lab.device);
        Ok(Self { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias) })
    }

    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        x.matmul(self.weight.val()) + self.bias.val()
    }
}

/// Layers with ReLU between them.
#[derive(Module, Debug)]
pub struct Network {
    pub layers: Vec<Dense>,
}

impl Network {
    /// `widths` are those of the input, of each hidden layer, and of the output; networks of other `number`s have other weights.
    pub fn new(lab: &Lab, number: u16, networks: usize, widths: &[usize]) -> Result<Self, Error> {
        let pairs = (0_u16..).zip(widths.windows(2));
        let layers = pairs.map(|(i, pair)| Dense::new(lab, 16 * number + i, [networks, pair[0], pair[1]]));
        Ok(Self { layers: layers.collect::<Result<_, _>>()? })
    }

    /// x, networks × rows × inputs, to networks × rows × outputs. `noise` is given what goes into each layer.
    pub fn forward(
        &self,
        mut x: Tensor<3>,
        noise: impl Fn(u16, Tensor<3>) -> Result<Tensor<3>, Error>,
    ) -> Result<Tensor<3>, Error> {
        for (number, layer) in (0..).zip(&self.layers) {
            if number > 0 {
                x = relu(x);
            }
            x = layer.forward(noise(number, x)?);
        }
        Ok(x)
    }

    /// Forward with nothing dropped.
    pub fn evaluate(&self, x: Tensor<3>) -> Result<Tensor<3>, Error> {
        self.forward(x, |_, x| Ok(x))
    }
}

/// Dropout before each layer, at the rates given: noise for [`Network::forward`].
pub fn dropped<'a>(rates: &'a [Dropout], keys: Keys) -> impl Fn(u16, Tensor<3>) -> Result<Tensor<3>, Error> + 'a {
    move |layer, x| Ok(dropout(x, &rates[usize::from(layer)].mask(keys.key(layer)))?)
}

/// How a network is trained: Adam, each step with as many rows as there are in a batch, in random order, epoch by epoch.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    pub steps: usize,
    pub batch: usize,
    pub rate: f64,
}

/// Trains: `loss` is given the step's rows.
pub fn train<M: Module>(
    lab: &Lab,
    mut model: M,
    rows: usize,
    training: Training,
    loss: impl Fn(&M, &[usize], Keys) -> Result<Tensor<1>, Error>,
) -> Result<M, Error> {
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let mut order: Vec<usize> = (0..rows).collect();
    let per_epoch = rows.div_ceil(training.batch);
    for step in 0..training.steps {
        let place = step % per_epoch;
        if per_epoch > 1 && place == 0 {
            order = lab.permutation(1000 + (step / per_epoch) as u16, rows)?;
        }
        let batch = &order[place * training.batch..rows.min((place + 1) * training.batch)];
        let loss = loss(&model, batch, lab.keys().with_step(step as u32))?;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(training.rate, model, gradients);
        // Without this the host spins for a place in the queue, on a core that a software device has use for.
        lab.device.sync()?;
    }
    Ok(model)
}

/// The mean cross-entropy of each network, summed over networks: their gradients do not mix. Logits are networks × rows ×
/// classes, and labels are one-hot, of one network or of all.
pub fn cross_entropy(logits: Tensor<3>, one_hot: Tensor<3>) -> Tensor<1> {
    let [_, rows, _] = logits.dims();
    (log_softmax(logits, 2) * one_hot).sum().neg() / rows as f64
}

/// Labels of rows as networks × rows × classes.
pub fn one_hot(labels: &[usize], networks: usize, device: &Device) -> Tensor<3> {
    let one = |&label: &usize| (0..CLASSES).map(move |class| f32::from(u8::from(class == label)));
    tensor(labels.iter().flat_map(one).collect(), [networks, labels.len() / networks, CLASSES], device)
}

pub fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), device)
}

/// What a tensor holds, row by row.
pub fn read<const D: usize>(x: Tensor<D>) -> Result<Vec<f32>, Error> {
    Ok(x.try_into_vec_as::<f32>()?)
}

/// The share of rows of which the largest logit is the label's, of each network. Labels are those of all networks, one after the
/// other, or of one.
pub fn accuracies(logits: Tensor<3>, labels: &[usize]) -> Result<Vec<f64>, Error> {
    let [networks, rows, classes] = logits.dims();
    let logits = read(logits)?;
    let of = |network: usize| {
        let right = (0..rows).filter(|row| {
            let logits = &logits[(network * rows + row) * classes..][..classes];
            best(logits) == labels[(network * rows + row) % labels.len()]
        });
        right.count() as f64 / rows as f64
    };
    Ok((0..networks).map(of).collect())
}

/// The mean cross-entropy of each network.
pub fn losses(logits: Tensor<3>, labels: &[usize]) -> Result<Vec<f64>, Error> {
    let [networks, rows, classes] = logits.dims();
    let logs = read(log_softmax(logits, 2))?;
    let loss = |network: usize| {
        let own = |row: usize| logs[(network * rows + row) * classes + labels[(network * rows + row) % labels.len()]];
        (0..rows).map(|row| -f64::from(own(row))).sum::<f64>() / rows as f64
    };
    Ok((0..networks).map(loss).collect())
}

/// The index of the largest.
pub fn best(values: &[f32]) -> usize {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}
