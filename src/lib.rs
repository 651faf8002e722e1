//! lib docs
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod dropout;
mod error;
mod generator;
#[cfg(feature = "gpu")]
mod gpu;
mod key;
pub mod reference;
pub mod wgsl;

pub use dropout::{Dropout, Mask};
pub use error::Error;
pub use generator::Generator;
#[cfg(feature = "gpu")]
pub use gpu::{BlockCounter, Bound, BoundMask, BufferRange, Context, Options, Record, Requirements, requirements};
pub use key::Key;
#[cfg(feature = "gpu")]
pub use wgpu;

/// The version of the keep rule: the published format that says which elements are kept. A change of a single bit
/// of any mask would be a new version.
pub const KEEP_RULE_VERSION: u32 = 1;
