//! Dropout for [Burn](https://burn.dev): one mask on every device, no mask memory, exact probabilities.
//!
//! Burn's own dropout keeps a mask as large as the tensor until backward, and draws it from one seed of the process, so that it
//! depends on the order of everything that is random. Here a mask is a value of a few words, named by (seed, layer, step,
//! sample): backward computes it again, a step that is repeated or resumed has it again, and parts of a batch on several devices
//! have the parts of it. It is bit for bit the CPU [reference](wgpu_dropout::reference)'s.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! use wgpu_dropout_burn::{Dropout, DropoutConfig, Keys, Layers};
//!
//! #[derive(Module, Debug)]
//! struct Model {
//!     hidden: Linear,
//!     dropout: Dropout,
//!     output: Linear,
//! }
//!
//! impl Model {
//!     fn new(device: &Device) -> Self {
//!         let mut layers = Layers::new(); // gives each layer that is random a number of its own
//!         Self {
//!             hidden: LinearConfig::new(64, 128).init(device),
//!             dropout: DropoutConfig::new(0.5).init(&mut layers),
//!             output: LinearConfig::new(128, 10).init(device),
//!         }
//!     }
//!
//!     fn forward(&self, x: Tensor<2>, keys: Keys) -> Tensor<2> {
//!         let x = burn::tensor::activation::relu(self.hidden.forward(x));
//!         self.output.forward(self.dropout.forward(x, keys))
//!     }
//! }
//!
//! let device = Device::flex().autodiff();
//! let model = Model::new(&device);
//! let keys = Keys::new(42);
//! for step in 0..3 {
//!     let logits = model.forward(Tensor::ones([8, 64], &device), keys.with_step(step));
//! }
//! # }
//! ```
//!
//! # Finding your way
//!
//! - [`Dropout`] and its kin are layers, with Burn's habits; [`Layers`] numbers them, and [`Keys`] says which step it is.
//! - [`dropout()`] is the function below: any [`Mask`](wgpu_dropout::Mask) of the library on a tensor; [`drop_block()`],
//!   [`fused()`] and [`drop_connect()`] are passes on several.
//! - [`MonteCarlo`] predicts with uncertainty: samples of a trained model with dropout on, and what they say.
//! - [`DropoutBackend`] is what Burn's backends do: on wgpu they launch the library's WGSL through CubeCL, in Burn's own stream,
//!   lazily where Burn's fusion is on; on Flex and NdArray they compute the reference. Where CubeCL takes no WGSL it compiles the
//!   rule from its own language, and there are no passes.
//!
//! # Features
//!
//! - `wgpu` (default), `flex`, `ndarray`: Burn's backends, each with Burn's feature of that name.
//! - `fusion` (default): for programs with Burn's `fusion`.
//!
//! With Burn's features `vulkan` or `metal` wgpu takes no WGSL: there [`dropout()`] runs, and passes are an error that says so.
#![warn(missing_docs)]

mod autodiff;
mod backend;
#[cfg(feature = "cube")]
mod cube;
mod error;
mod functions;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod host;
mod keys;
mod monte_carlo;
mod nn;
mod pass;

pub use backend::{DropoutBackend, dropout};
pub use error::Error;
pub use functions::{drop_block, drop_connect, fused};
pub use keys::{Keys, Layers};
pub use monte_carlo::{Entropies, MonteCarlo, Statistics, Uncertainty};
pub use nn::{
    AlphaDropout, AlphaDropoutConfig, DropBlock, DropBlockConfig, DropConnectLinear, DropConnectLinearConfig, DropPath,
    DropPathConfig, Dropout, Dropout1d, Dropout1dConfig, Dropout2d, Dropout2dConfig, Dropout3d, Dropout3dConfig,
    DropoutConfig, FusedDropout, FusedDropoutConfig, GaussianDropout, GaussianDropoutConfig, LockedDropout,
    LockedDropoutConfig,
};
pub use pass::{PassWork, Tensors};
pub use wgpu_dropout;
