//! lib docs
#![cfg_attr(docsrs, feature(doc_cfg))]

mod dropout;
mod error;
mod generator;
mod key;
pub mod reference;

pub use dropout::{Dropout, Mask};
pub use error::Error;
pub use generator::Generator;
pub use key::Key;

/// The version of the keep rule: the published format that says which elements are kept. A change of a single bit
/// of any mask would be a new version.
pub const KEEP_RULE_VERSION: u32 = 1;
