//! GPU dropout on wgpu: one mask on every device, no mask memory, exact probabilities.
//!
//! Whether an element is kept is decided by (generator, seed, stream, index, p) alone — not by the vendor, driver,
//! workgroup size, chunking or shard — so the same key gives the same mask on Vulkan, Metal, DirectX 12, OpenGL, in
//! browsers and on the CPU, bit for bit. Backward computes the mask again, so nothing is stored.
//!
//! ```no_run
//! # #[cfg(feature = "gpu")]
//! # fn main() -> Result<(), wgpu_dropout::Error> {
//! use wgpu_dropout::{Context, Dropout, Key};
//!
//! let context = Context::new_blocking()?;         // costly, once
//! let dropout = Dropout::new(0.1)?;               // p is the drop probability
//! let mask = dropout.mask(Key::new(42).with_layer(3).with_step(1000));
//!
//! let y = context.forward_blocking(&mask, &[1.0_f32; 4096])?;
//! let dx = context.backward_blocking(&mask, &[1.0_f32; 4096])?; // the same mask again
//! assert_eq!(y, wgpu_dropout::reference::forward(&mask, &[1.0_f32; 4096])?);
//! # Ok(()) }
//! # #[cfg(not(feature = "gpu"))]
//! # fn main() {}
//! ```
//!
//! # Finding your way
//!
//! A call answers three questions, in the types as in the shaders:
//! - *which element is kept?* — a [`Mask`], made by [`Dropout::mask`] from a [`Key`]; the rule is
//!   [`reference::keeps`] on the CPU, `shaders/random/` on the GPU, and `docs/format.md` in words;
//! - *what happens to it?* — an [`Operation`], and a [`Kind`]: forward and backward of inverted dropout scale what is kept
//!   and write +0 for the rest; standard, alpha and Gaussian dropout do otherwise, and [`Operation::Select`] takes what is
//!   dropped from another tensor;
//! - *where does it lie, and how is it stored?* — slices, or [`BufferRange`]s of your buffers, of a [`Dtype`]. A [`View`]
//!   says which part of the logical tensor they hold.
//!
//! Two of these make the family: any kind goes with any view. A mask [shared](Mask::shared) along axes is dropout of channels,
//! locked dropout or stochastic depth, one whose rows are [gathered](Mask::gathered) by ids is embedding dropout. The guide,
//! `docs/guide.md`, goes from the names that others use to a line of code.
//!
//! Four tiers, each built on the one below. Every tier has one method for any operation, and shorthands:
//!
//! | tier | any operation | for one | does |
//! |---|---|---|---|
//! | slices | [`Context::run`] | [`forward`](Context::forward), …, `…_blocking` | uploads, runs, reads back |
//! | buffers | [`Context::submit`] | [`submit_forward`](Context::submit_forward), … | records and submits; never waits |
//! | recording | [`Context::record`] | [`record_forward`](Context::record_forward), … | appends to your encoder or compute pass; never submits |
//! | [`kernels`] | [`kernels::Plan::launches`] | | says what to launch; needs no device |
//!
//! What takes more tensors, or several launches, is a [`Pass`]: a value with its places in it, [`BlockMask::forward`] for one.
//! Every tier takes it: [`Context::run_pass`], [`submit_pass`](Context::submit_pass), [`record_pass`](Context::record_pass),
//! [`kernels::PassPlan`], [`reference::run_pass`].
//!
//! For thousands of calls on the same buffers, [`Context::bind`] them once and record with many keys: [`Bound`]. A key may
//! also lie in a buffer and advance there, so that a recorded sequence needs no host: [`BoundKey`]. A packed mask of yours
//! is applied by [`Operation::ApplyMask`]. For your own fused kernels, [`wgsl`] has the keep rule and the normals as text.
//!
//! # Words
//!
//! A *mask* is the value that says what is kept, a *packed mask* its bits in memory. A *group* is the eight elements that one
//! *block* of random numbers decides. A *chunk* is a part of a call that fits the device's bindings, a *launch* one dispatch.
//!
//! # Features
//!
//! - `gpu` (default): everything that needs wgpu. Without it, keys, masks, the [`reference`](mod@reference) and the
//!   [`kernels`] remain.
//! - `vulkan`, `metal`, `dx12`, `gles`, `webgpu` (default): wgpu's back ends.
//! - `half`: slices of `half::f16` and `half::bf16`. Buffers of 16-bit floats need no feature.
//! - `serde`: keys and generators can be serialised.
//!
//! The crate re-exports [`wgpu`]; a new major version of wgpu is a new major version of this crate. So are those of `half`
//! and `rand_core`, whose types the public API has too.
#![warn(missing_docs)]

mod activation;
mod audit;
mod drop_block;
mod drop_connect;
mod dtype;
mod effect;
mod error;
mod fused;
mod generator;
#[cfg(feature = "gpu")]
#[warn(clippy::cast_possible_truncation)]
mod gpu;
#[warn(clippy::cast_possible_truncation)]
pub mod kernels;
mod key;
mod kind;
mod mask;
pub mod normal_table;
mod operation;
mod pass;
mod rate;
pub mod reference;
mod role;
mod samples;
mod slices;
mod softmax;
mod statistics;
mod uncertainty;
mod view;
pub mod wgsl;

pub use activation::Activation;
pub use audit::{Audit, Explanation, Mismatch};
pub use drop_block::{BlockMask, BlockScaling, DropBlock};
pub use drop_connect::DropConnect;
pub use dtype::{Dtype, Element, MaskFormat};
pub use effect::Effect;
pub use error::{Error, UnknownName};
pub use fused::Fused;
pub use generator::Generator;
#[cfg(feature = "gpu")]
pub use gpu::{
    BlockCounter, Bound, BoundKey, BufferRange, Context, Keyed, Options, Ranges, Record, Requirements, RowList,
    requirements,
};
pub use key::Key;
pub use kind::Kind;
pub use mask::{Dropout, Mask};
pub use operation::Operation;
pub use pass::{Pass, Place, Slice};
pub use samples::Samples;
pub use slices::Slices;
pub use softmax::SoftmaxDropout;
pub use statistics::Statistics;
pub use uncertainty::Uncertainty;
pub use view::{MAX_AXES, View};
#[cfg(feature = "gpu")]
pub use wgpu;

/// The version of the keep rule: the published format that says which elements are kept. A change of a single bit of
/// any mask would be a new version.
pub const KEEP_RULE_VERSION: u32 = 1;

/// Runs the README's example with the documentation tests.
#[cfg(all(doctest, feature = "gpu"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Runs the guide's examples, which need no device.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
struct Guide;

/// Runs the examples of the other pages.
#[cfg(doctest)]
#[doc = include_str!("../docs/ridge.md")]
struct Ridge;

#[cfg(doctest)]
#[doc = include_str!("../docs/batch-norm.md")]
struct BatchNorm;

#[cfg(doctest)]
#[doc = include_str!("../docs/parallel.md")]
struct Parallel;
