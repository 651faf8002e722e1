//! The host layer: binds and records what [`kernels`](crate::kernels) says. From the outside in: `slices` → `submit` →
//! `record` → `bind`, which asks a plan for launches, `pipelines` for their pipelines and `parameters` for their slots.

mod audit;
mod bind;
mod buffer_range;
mod context;
mod device_key;
mod error_scope;
mod f16_probe;
mod kept_rows;
mod normals;
mod options;
mod parameters;
mod pass;
mod pipelines;
mod random_blocks;
mod record;
mod requirements;
mod slices;
mod submit;
mod transfer;

/// Threads may share whatever the library gives.
#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<Context>();
    shareable::<Bound>();
    shareable::<BoundKey>();
    shareable::<Keyed<'_, crate::Operation>>();
    shareable::<Ranges<'_>>();
    shareable::<RowList<'_>>();
    shareable::<Options>();
    shareable::<Requirements>();
    shareable::<crate::Error>();
    shareable::<crate::kernels::Plan>();
    shareable::<crate::kernels::Launch>();
};

pub use bind::Bound;
pub use buffer_range::{BufferRange, Ranges};
pub use context::Context;
pub use device_key::{BoundKey, Keyed};
pub use kept_rows::RowList;
pub use options::Options;
pub use random_blocks::BlockCounter;
pub use record::Record;
pub use requirements::{Requirements, requirements};
