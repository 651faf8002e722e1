//! Everything against the library's CPU reference, bit for bit, on every backend of Burn's that runs here. A missing adapter
//! fails.

mod forward;
mod gradients;
mod layers;
mod resume;
mod support;
