//! Layers that are more than dropout of each element: blocks, what stands around dropout, and weights.

use burn::{
    config::Config,
    module::{Flag, Initializer, Module, Param},
    tensor::{Device, Tensor},
};
use wgpu_dropout::{Activation, BlockScaling, DropConnect, Fused, Generator};

use super::is_active;
use crate::{Error, Keys, Layers, drop_block, drop_connect, fused};

/// Makes a [`DropBlock`] layer.
#[derive(Config, Debug)]
pub struct DropBlockConfig {
    /// About the part of the elements to drop, 0 to 1.
    pub prob: f64,
    /// Height and width of a block.
    pub block: [usize; 2],
    /// The random generator.
    #[config(default = "Generator::Threefry")]
    pub generator: Generator,
}

impl DropBlockConfig {
    /// Makes the layer, with the next of the model's numbers.
    ///
    /// # Panics
    /// Where [`try_init`](Self::try_init) has an error.
    pub fn init(&self, layers: &mut Layers) -> DropBlock {
        self.try_init(layers).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same.
    ///
    /// # Errors
    /// [`Error::Dropout`] for a probability or a block out of range, [`Error::Layers`].
    pub fn try_init(&self, layers: &mut Layers) -> Result<DropBlock, Error> {
        let block = self.block.map(|size| size as u64);
        // The counted scale is that of the whole batch, which a worker does not see.
        let drop_block = wgpu_dropout::DropBlock::new(self.prob, &block)?.with_scaling(BlockScaling::Expected);
        let drop_block = drop_block.with_generator(self.generator);
        Ok(DropBlock { drop_block, layer: layers.take()?, training: Param::from_bool(true) })
    }
}

/// Dropout of whole blocks of neighbours in images (Ghiasi et al., NeurIPS 2018): in each channel its own. What is kept is
/// multiplied by the inverse of the expected part of it, so that parts of a batch on several workers are parts of it.
///
/// It is active where the other layers are.
#[derive(Module, Debug)]
pub struct DropBlock {
    #[module(skip)]
    drop_block: wgpu_dropout::DropBlock,
    #[module(skip)]
    layer: u16,
    /// Whether to behave as during training.
    pub training: Param<Flag>,
}

impl DropBlock {
    /// Drops, in training; the input itself otherwise.
    ///
    /// # Shapes
    /// Input and output: `[batch, channels, height, width]`.
    ///
    /// # Panics
    /// Where [`drop_block`](crate::drop_block()) has an error, or [`mask`](Self::mask).
    pub fn forward(&self, x: Tensor<4>, keys: Keys) -> Tensor<4> {
        if is_active(&self.training, &x.device(), keys) { self.sample(x, keys) } else { x }
    }

    /// Drops, in training or not.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn sample(&self, x: Tensor<4>, keys: Keys) -> Tensor<4> {
        let dropped = self.mask(x.dims(), keys).and_then(|mask| drop_block(x, &mask));
        dropped.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The mask that data of this shape gets.
    ///
    /// # Errors
    /// [`Error::Dropout`] where the decisions reach past the generator's range.
    pub fn mask(&self, shape: [usize; 4], keys: Keys) -> Result<wgpu_dropout::BlockMask, Error> {
        let shape = shape.map(|extent| extent as u64);
        let sizes = shape[2..].iter().zip(self.drop_block.block());
        // A seed for each place where a block can begin.
        let seeds: u64 = sizes.map(|(&size, &block)| size - block.min(size) + 1).product();
        let first = keys.first_row().saturating_mul(shape[1]).saturating_mul(seeds);
        Ok(self.drop_block.mask(keys.key(self.layer), &shape)?.at(first)?)
    }
}

/// Makes a [`FusedDropout`] layer.
#[derive(Config, Debug)]
pub struct FusedDropoutConfig {
    /// The probability to drop an element, 0 to 1.
    pub prob: f64,
    /// Elements of the last axis.
    pub columns: usize,
    /// The probability to drop a row of the last axis as a whole, 0 to 1.
    #[config(default = "0.0")]
    pub row_prob: f64,
    /// Whether there is a bias: a parameter, zeros at first.
    #[config(default = "true")]
    pub bias: bool,
    /// The random generator.
    #[config(default = "Generator::Threefry")]
    pub generator: Generator,
}

impl FusedDropoutConfig {
    /// Makes the layer, with the next two of the model's numbers: of elements, and of rows.
    ///
    /// # Panics
    /// Where [`try_init`](Self::try_init) has an error.
    pub fn init(&self, activation: Activation, layers: &mut Layers, device: &Device) -> FusedDropout {
        self.try_init(activation, layers, device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same.
    ///
    /// # Errors
    /// [`Error::Dropout`] for a probability out of range, [`Error::Layers`].
    pub fn try_init(
        &self,
        activation: Activation,
        layers: &mut Layers,
        device: &Device,
    ) -> Result<FusedDropout, Error> {
        let dropout = |p| Ok::<_, Error>(wgpu_dropout::Dropout::new(p)?.with_generator(self.generator));
        let bias = self.bias.then(|| Initializer::Zeros.init([self.columns], device));
        let (elements, rows) = (dropout(self.prob)?, dropout(self.row_prob)?);
        Ok(FusedDropout {
            bias,
            elements,
            rows,
            activation,
            layers: [layers.take()?, layers.take()?],
            training: Param::from_bool(true),
        })
    }
}

/// Bias, activation, dropout, stochastic depth and residual in one pass over memory: what follows a product of matrices in a
/// network. So the layer before it has no bias.
///
/// Dropping is active where the other layers' is; all else is done always.
#[derive(Module, Debug)]
pub struct FusedDropout {
    /// A row that is added first.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    elements: wgpu_dropout::Dropout,
    #[module(skip)]
    rows: wgpu_dropout::Dropout,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    layers: [u16; 2],
    /// Whether to behave as during training.
    pub training: Param<Flag>,
}

impl FusedDropout {
    /// `residual + dropout(activation(x + bias))`; without a residual it is not added.
    ///
    /// # Shapes
    /// Input, residual and output: `[batch, …, columns]`.
    ///
    /// # Panics
    /// Where [`fused`](crate::fused()) has an error.
    pub fn forward<const D: usize>(&self, x: Tensor<D>, residual: Option<Tensor<D>>, keys: Keys) -> Tensor<D> {
        let training = is_active(&self.training, &x.device(), keys);
        let bias = self.bias.as_ref().map(Param::val);
        let y = self.work(&x.dims(), training, keys).and_then(|work| fused(x, bias, residual, &work));
        y.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What is computed for data of this shape.
    fn work(&self, shape: &[usize], training: bool, keys: Keys) -> Result<Fused, Error> {
        let row = |axes: &[usize]| axes.iter().map(|&extent| extent as u64).product::<u64>();
        let first = |decisions_of_a_row: u64| keys.first_row().saturating_mul(decisions_of_a_row);
        let [of_elements, of_rows] = self.layers.map(|layer| keys.key(layer));
        let mask = self.elements.with_training(training).mask(of_elements).at(first(row(&shape[1..])));
        let fused = Fused::new(mask, shape[shape.len() - 1] as u64)?.with_activation(self.activation);
        if self.rows.p() == 0.0 {
            return Ok(fused);
        }
        let rows = self.rows.with_training(training).mask(of_rows);
        Ok(fused.with_row_keep(rows.at(first(row(shape.get(1..shape.len() - 1).unwrap_or_default()))))?)
    }
}

/// Makes a [`DropConnectLinear`] layer.
#[derive(Config, Debug)]
pub struct DropConnectLinearConfig {
    /// The probability to drop a weight, 0 to 1.
    pub prob: f64,
    /// Elements of the input.
    pub d_input: usize,
    /// Elements of the output.
    pub d_output: usize,
    /// Whether a bias is added.
    #[config(default = "true")]
    pub bias: bool,
    /// How weights and bias begin.
    #[config(default = "Initializer::KaimingUniform { gain: 1.0 / f64::sqrt(3.0), fan_out_only: false }")]
    pub initializer: Initializer,
    /// The random generator.
    #[config(default = "Generator::Threefry")]
    pub generator: Generator,
}

impl DropConnectLinearConfig {
    /// Makes the layer, with the next of the model's numbers.
    ///
    /// # Panics
    /// Where [`try_init`](Self::try_init) has an error.
    pub fn init(&self, layers: &mut Layers, device: &Device) -> DropConnectLinear {
        self.try_init(layers, device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same.
    ///
    /// # Errors
    /// [`Error::Dropout`] for a probability out of range, [`Error::Layers`].
    pub fn try_init(&self, layers: &mut Layers, device: &Device) -> Result<DropConnectLinear, Error> {
        let dropout = wgpu_dropout::Dropout::new(self.prob)?.with_generator(self.generator);
        let (inputs, outputs) = (Some(self.d_input), Some(self.d_output));
        let weight = self.initializer.init_with([self.d_output, self.d_input], inputs, outputs, device);
        let bias = self.bias.then(|| self.initializer.init_with([self.d_output], inputs, outputs, device));
        Ok(DropConnectLinear { weight, bias, dropout, layer: layers.take()?, training: Param::from_bool(true) })
    }
}

/// A linear layer whose weights are dropped, for every example others (Wan et al., ICML 2013): the masks are computed inside of
/// the product and never stored.
///
/// Dropping is active where the other layers' is; otherwise it is the product with all weights.
#[derive(Module, Debug)]
pub struct DropConnectLinear {
    /// `[d_output, d_input]`.
    pub weight: Param<Tensor<2>>,
    /// `[d_output]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    dropout: wgpu_dropout::Dropout,
    #[module(skip)]
    layer: u16,
    /// Whether to behave as during training.
    pub training: Param<Flag>,
}

impl DropConnectLinear {
    /// The product, and the bias added.
    ///
    /// # Shapes
    /// Input `[batch, d_input]`, output `[batch, d_output]`.
    ///
    /// # Panics
    /// Where [`drop_connect`](crate::drop_connect()) has an error.
    pub fn forward(&self, x: Tensor<2>, keys: Keys) -> Tensor<2> {
        let y = match is_active(&self.training, &x.device(), keys) {
            true => self.sample(x, keys).unwrap_or_else(|error| panic!("{error}")),
            false => x.matmul(self.weight.val().transpose()),
        };
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }

    fn sample(&self, x: Tensor<2>, keys: Keys) -> Result<Tensor<2>, Error> {
        let weight = self.weight.val();
        let [batch, outputs, inputs] = [x.dims()[0], weight.dims()[0], weight.dims()[1]].map(|extent| extent as u64);
        let first = keys.first_row().saturating_mul(outputs).saturating_mul(inputs);
        let mask = self.dropout.mask(keys.key(self.layer)).at(first);
        drop_connect(weight, x, &DropConnect::new(mask, batch, outputs, inputs)?)
    }
}
