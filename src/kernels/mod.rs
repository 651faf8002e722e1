//! What a device runs, as data: from an operation and where its operands lie to WGSL text, parameters, bindings and a
//! grid. Without wgpu and without a device: for frameworks that launch for themselves, for porting, and for reading.
//!
//! [`Plan`] splits operands into chunks that a [`Target`] can bind, and gives the [`Launch`]es of an operation. A launch
//! needs no more than its [`Kernel`]'s text, the parameters' bytes, the bindings of its chunk, and a number of workgroups:
//!
//! ```
//! use wgpu_dropout::kernels::{KeyPlace, Operand, Operands, Plan, Schedule, Style, Target};
//! use wgpu_dropout::{Dropout, Dtype, Key, Operation};
//!
//! let target = Target::new(Schedule::Groups).with_style(Style::ONE_GROUP);
//! // Two tensors of 1000 f32 elements in two buffers.
//! let operands = Operands::values(Dtype::F32, Operand::new(0, 0, 4000), Operand::new(1, 0, 4000))?;
//! let plan = Plan::new(&target, &operands)?;
//!
//! let mask = Dropout::new(0.1)?.mask(Key::new(42));
//! for launch in plan.launches(&Operation::Forward(mask), KeyPlace::Parameters)? {
//!     let kernel = launch.kernel();
//!     println!("{kernel}: {} bytes of WGSL", kernel.wgsl().len());
//!     println!("bindings of group 0: {:?}", plan.bindings(launch.chunk()));
//!     println!("parameters: {:02x?}, workgroups: {:?}", launch.parameters(), launch.workgroups());
//! }
//! # Ok::<(), wgpu_dropout::Error>(())
//! ```
//!
//! `examples/launch.rs` runs such launches on plain wgpu.
//!
//! How it is put together: an operand table becomes the bindings ([`operand`](self)), fragments of WGSL that declare what
//! they need become the text, and one place, `select.rs`, chooses which kernel handles which elements. Whoever adds a
//! member of the family begins there: see CONTRIBUTING.md.

mod audit;
mod drop_block;
mod drop_connect;
mod fragment;
mod fused;
mod kept_rows;
mod kernel;
mod local;
mod name;
mod operand;
mod parameters;
mod pass;
mod plan;
mod reachable;
mod select;
mod softmax;
mod stage;
mod statistics;
mod target;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod translation_tests;

pub use kernel::Kernel;
pub use operand::{Binding, Operand, Operands, Tensor};
pub(crate) use parameters::words;
pub use pass::PassPlan;
#[cfg(feature = "internal-faults")]
#[doc(hidden)]
pub use pass::scenarios as pass_scenarios;
pub use plan::{KeyPlace, Launch, Launches, Plan};
pub use reachable::reachable;
#[cfg(feature = "internal-faults")]
#[doc(hidden)]
pub use reachable::{Scenario, scenarios};
pub use stage::Stage;
pub use target::{F16Conversion, ParameterStyle, Schedule, Style, Target};

#[cfg(feature = "gpu")]
pub(crate) use audit::{AUDIT_WORDS, Comparison};
#[cfg(feature = "gpu")]
pub(crate) use kept_rows::KeptRows;
#[cfg(feature = "gpu")]
pub(crate) use operand::Layout;
#[cfg(feature = "gpu")]
pub(crate) use operand::check as check_operand;
#[cfg(feature = "gpu")]
pub(crate) use parameters::{MAX_BYTES as MAX_PARAMETER_BYTES, MAX_IMMEDIATES};
#[cfg(feature = "gpu")]
pub(crate) use plan::{F16_PROBES, advance_key, probe_f16, random_blocks};

use crate::Generator;

const fn generator_fragment(generator: Generator) -> &'static str {
    match generator {
        Generator::Threefry => "generator/threefry4x32",
        Generator::Philox => "generator/philox4x32",
    }
}

/// The text of the keep rule for users' own kernels: the fragments that [`wgsl::keep_rule`](crate::wgsl) joins.
pub(crate) fn keep_rule_text(generator: Generator) -> String {
    public_text(generator, &["random/keep_bits"])
}

/// The text of the keep rule and the normals for users' own kernels. It calls `dropout_normal_entry`, which is theirs,
/// because the table's binding is.
pub(crate) fn normals_text(generator: Generator) -> String {
    public_text(generator, &["random/keep_bits", "random/normal_of"])
}

/// The text of the keep rule and the decisions of attention for users' own kernels.
pub(crate) fn attention_text(generator: Generator) -> String {
    public_text(generator, &["random/attention"])
}

fn public_text(generator: Generator, names: &[&'static str]) -> String {
    let role = |role: &str| match role {
        "generator" => Some(generator_fragment(generator)),
        "alignment" => Some("random/alignment"),
        _ => None,
    };
    let mut texts = vec![];
    for fragment in names.iter().flat_map(|name| fragment::collect(name, &role)) {
        if !texts.contains(&fragment.text) {
            texts.push(fragment.text);
        }
    }
    texts.join("\n")
}

/// Whether a text may be in a kernel.
#[cfg(all(feature = "gpu", feature = "internal-faults"))]
pub(crate) fn a_fragment_has(text: &str) -> bool {
    fragment::ALL.iter().any(|fragment| fragment.text.contains(text)) || kernel::NORMAL_ENTRY.contains(text)
}

/// The text of a generator alone.
pub(crate) fn generator_text(generator: Generator) -> &'static str {
    fragment::Fragment::find(generator_fragment(generator)).map_or("", |fragment| fragment.text)
}
