//! Everything against the library's CPU reference, bit for bit, on every backend of Burn's that runs here. A missing adapter
//! fails.

mod devices;
mod forward;
mod gradients;
mod layers;
mod monte_carlo;
mod passes;
mod resume;
mod support;
mod without_fusion;
