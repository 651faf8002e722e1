//! The host layer: which pipeline, which parameters, which dispatch. From the outside in:
//! [`slices`] → [`submit`] → [`record`] → [`pipelines`] and [`call`].

mod bind;
mod call;
mod context;
mod device_errors;
mod device_key;
mod dispatch;
mod given_mask;
#[cfg(test)]
mod layout_tests;
mod pipelines;
mod random_blocks;
mod range;
mod record;
mod requirements;
mod slices;
mod submit;
#[cfg(test)]
mod translation_tests;

pub use bind::{Bound, BoundMask};
pub use context::{Context, Options};
pub use device_key::{BoundKey, KeyedMask};
pub use given_mask::BoundApplyMask;
pub use pipelines::Layout;
pub use random_blocks::BlockCounter;
pub use range::BufferRange;
pub use record::Record;
pub use requirements::{Requirements, requirements};
