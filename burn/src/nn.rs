//! Layers for Burn's models.

use burn::{
    config::Config,
    module::{Content, DisplaySettings, Flag, Module, ModuleDisplay, Param},
    tensor::Tensor,
};
use wgpu_dropout::{Generator, Kind, Mask};

use crate::{Error, Keys, Layers, dropout};

/// Says what a layer's decisions are shared along.
enum Sharing {
    /// Each element has its own.
    None,
    /// One for all of a channel, whose coordinates are those of axes 0 and 1.
    Channels,
    /// One for all of a row of axis 0.
    Rows,
    /// One for all coordinates of an axis.
    Axis(usize),
}

impl Sharing {
    fn axes(&self, rank: usize) -> Vec<usize> {
        match self {
            Self::None => vec![],
            Self::Channels => (2..rank).collect(),
            Self::Rows => (1..rank).collect(),
            Self::Axis(axis) => vec![*axis],
        }
    }
}

/// The mask of a layer for data of a shape.
fn mask(
    dropout: &wgpu_dropout::Dropout,
    layer: u16,
    keys: Keys,
    shape: &[usize],
    sharing: &Sharing,
) -> Result<Mask, Error> {
    let axes = sharing.axes(shape.len());
    // The batch's axis is the first that is not shared, and its rows have a decision for each coordinate after it.
    let batch = (0..shape.len()).find(|axis| !axes.contains(axis)).unwrap_or(0);
    let own = (batch + 1..shape.len()).filter(|axis| !axes.contains(axis));
    let decisions_of_a_row: u64 = own.map(|axis| shape[axis] as u64).product();
    let mask = dropout.mask(keys.key(layer)).at(keys.first_row().saturating_mul(decisions_of_a_row));
    if axes.is_empty() {
        return Ok(mask);
    }
    let shape: Vec<_> = shape.iter().map(|&extent| extent as u64).collect();
    Ok(mask.shared(&shape, &axes)?)
}

/// A layer: its configuration, its module, and what the two do alike.
macro_rules! layer {
    (
        $(#[$about:meta])*
        $layer:ident, $config:ident, $kind:expr, $sharing:expr,
        [$($rank:tt)*], $tensor:ty, $shapes:literal
    ) => {
        #[doc = concat!("Makes a [`", stringify!($layer), "`] layer.")]
        #[derive(Config, Debug)]
        pub struct $config {
            /// The probability to drop, 0 to 1; for Gaussian noise below 1.
            pub prob: f64,
            /// The random generator.
            #[config(default = "Generator::Threefry")]
            pub generator: Generator,
        }

        impl $config {
            /// Makes the layer, with the next of the model's numbers.
            ///
            /// # Panics
            /// Where [`try_init`](Self::try_init) has an error.
            pub fn init(&self, layers: &mut Layers) -> $layer {
                self.try_init(layers).unwrap_or_else(|error| panic!("{error}"))
            }

            /// The same.
            ///
            /// # Errors
            /// [`Error::Dropout`] for a probability out of range, [`Error::Layers`].
            pub fn try_init(&self, layers: &mut Layers) -> Result<$layer, Error> {
                let dropout = wgpu_dropout::Dropout::of_kind($kind, self.prob)?.with_generator(self.generator);
                Ok($layer { dropout, layer: layers.take()?, training: Param::from_bool(true) })
            }
        }

        $(#[$about])*
        ///
        /// As Burn's own dropout it is active where its training flag is on, which
        #[doc = concat!("[`freeze`](burn::module::Module::freeze) clears, and the input is on a device with autodiff; [`",
            stringify!($config), "`] makes it.")]
        #[derive(Module, Debug)]
        #[module(custom_display)]
        pub struct $layer {
            #[module(skip)]
            dropout: wgpu_dropout::Dropout,
            #[module(skip)]
            layer: u16,
            /// Whether to behave as during training.
            pub training: Param<Flag>,
        }

        impl $layer {
            /// Drops, in training; the input itself otherwise.
            ///
            /// # Shapes
            #[doc = concat!("Input and output: `", $shapes, "`.")]
            ///
            /// # Panics
            /// Where [`dropout`](crate::dropout()) has an error: on a device that has no kernels here, for a type of elements
            /// that is none of f32, f16 and bf16, or for rows past what the generator can address.
            pub fn forward<$($rank)*>(&self, x: $tensor, keys: Keys) -> $tensor {
                if self.training.is_enabled() && x.device().is_autodiff() { self.sample(x, keys) } else { x }
            }

            /// Drops, in training or not: for Monte Carlo dropout, a sample each
            /// [`Keys::with_sample`](crate::Keys::with_sample).
            ///
            /// # Panics
            /// As [`forward`](Self::forward).
            pub fn sample<$($rank)*>(&self, x: $tensor, keys: Keys) -> $tensor {
                let dropped = self.mask(&x.dims(), keys).and_then(|mask| dropout(x, &mask));
                dropped.unwrap_or_else(|error| panic!("{error}"))
            }

            /// The mask that data of this shape gets.
            ///
            /// # Errors
            /// [`Error::Dropout`] for more than eight axes, or elements without end.
            pub fn mask(&self, shape: &[usize], keys: Keys) -> Result<Mask, Error> {
                mask(&self.dropout, self.layer, keys, shape, &$sharing)
            }

            /// Its number in the model.
            pub const fn layer(&self) -> u16 {
                self.layer
            }
        }

        impl ModuleDisplay for $layer {
            fn custom_settings(&self) -> Option<DisplaySettings> {
                DisplaySettings::new().with_new_line_after_attribute(false).optional()
            }

            fn custom_content(&self, content: Content) -> Option<Content> {
                let content = content.add("prob", &self.dropout.p()).add("layer", &self.layer);
                match self.training.is_enabled() {
                    true => content.optional(),
                    false => content.add("training", &self.training).optional(),
                }
            }
        }
    };
}

layer! {
    /// Dropout of elements (Srivastava et al., JMLR 15, 2014), inverted: a kept element is multiplied by 1/(1 − p), a dropped
    /// one is +0.
    Dropout, DropoutConfig, Kind::Inverted, Sharing::None, [const D: usize], Tensor<D>, "[batch, …]"
}

layer! {
    /// Dropout of whole channels of sequences (Tompson et al., CVPR 2015).
    Dropout1d, Dropout1dConfig, Kind::Inverted, Sharing::Channels, [], Tensor<3>, "[batch, channels, length]"
}

layer! {
    /// Dropout of whole channels of images (Tompson et al., CVPR 2015).
    Dropout2d, Dropout2dConfig, Kind::Inverted, Sharing::Channels, [], Tensor<4>, "[batch, channels, height, width]"
}

layer! {
    /// Dropout of whole channels of volumes (Tompson et al., CVPR 2015).
    Dropout3d, Dropout3dConfig, Kind::Inverted, Sharing::Channels, [], Tensor<5>,
    "[batch, channels, depth, height, width]"
}

layer! {
    /// Stochastic depth (Huang et al., ECCV 2016) of whole rows: before a residual is added, each row of the batch is dropped or
    /// multiplied by 1/(1 − p).
    DropPath, DropPathConfig, Kind::Inverted, Sharing::Rows, [const D: usize], Tensor<D>, "[batch, …]"
}

layer! {
    /// Alpha dropout, for self-normalizing networks with SELU (Klambauer et al., NeurIPS 2017): a dropped element takes SELU's
    /// value of saturation, and an affine map keeps mean and variance.
    AlphaDropout, AlphaDropoutConfig, Kind::Alpha, Sharing::None, [const D: usize], Tensor<D>, "[batch, …]"
}

layer! {
    /// Multiplicative Gaussian noise of mean 1 and variance p/(1 − p) (Srivastava et al., JMLR 15, 2014, §10).
    GaussianDropout, GaussianDropoutConfig, Kind::Gaussian, Sharing::None, [const D: usize], Tensor<D>, "[batch, …]"
}

layer! {
    /// Locked, or variational, dropout of sequences (Gal & Ghahramani, NeurIPS 2016): the same mask at every time step, as
    /// Burn's recurrent layers order the axes.
    LockedDropout, LockedDropoutConfig, Kind::Inverted, Sharing::Axis(1), [], Tensor<3>, "[batch, time, features]"
}
