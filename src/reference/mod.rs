//! The CPU reference: what every kernel must return, bit for bit. Written to be read, not to be fast, and without
//! wgpu, so that it compiles alone (`default-features = false`).
//!
//! One file an operation, with the name that the shader of the same operation has.

mod audit;
mod drop_block;
mod drop_connect;
mod dropout;
mod fused;
mod keep_rule;
mod kept_rows;
mod normal;
mod pass;
mod philox4x32;
mod softmax;
mod statistics;
mod threefry4x32;
mod uncertainty;

pub use audit::audit;
#[cfg(feature = "gpu")]
pub(crate) use audit::compare_bytes;
pub use drop_block::{drop_block, drop_block_mask, drop_block_scale};
#[cfg(feature = "gpu")]
pub(crate) use dropout::reserve;
pub use dropout::{apply_mask, backward, forward, gathered_keep_mask, keep_mask, run};
pub use keep_rule::{KEEP_DOMAIN, keeps, random_block, uniform};
#[cfg(feature = "gpu")]
pub(crate) use kept_rows::check_rows;
pub use kept_rows::{kept_rows, kept_rows_dispatch};
pub use normal::{NORMAL_DOMAIN, normal, normal_q21, normal_q21_of, normals, normals_q21};
pub use pass::run_pass;
pub use philox4x32::{philox4x32, philox4x32_10};
pub use threefry4x32::{threefry4x32, threefry4x32_20};
