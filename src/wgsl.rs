//! The keep rule and the normals as WGSL text, for your own fused kernels: the same decisions and the same noise in the same
//! pass as your arithmetic.
//!
//! [`keep_rule`] gives a text to put before your shader. It has no bindings and no entry point; it declares
//!
//! - `struct DropoutKeepRule { seed: vec2<u32>, stream: vec2<u32>, start: vec2<u32>, threshold: u32, scale: f32 }`, 32
//!   bytes, whose host twin is [`KeepRule`];
//! - `fn dropout_keeps(rule: DropoutKeepRule, element: u32) -> bool`: whether the element at a local position is kept;
//! - `fn dropout_keep_bits(rule: DropoutKeepRule, element: u32) -> u32`: the same for 32 elements at once, which costs
//!   hardly more than one; `element` must be a multiple of 32;
//! - `override DROPOUT_START_IS_ALIGNED: bool = false`: set it to true (1.0) in your pipeline when every start is a
//!   multiple of 32, to save a fifth of the random numbers.
//!
//! [`normals`] gives a text that declares all of this, and
//!
//! - `fn dropout_normal(rule: DropoutKeepRule, element: u32) -> f32`: the standard normal of the element at a local position,
//!   the one that [`reference::normals`](crate::reference::normals) has at the index `start + element`;
//! - `fn dropout_normals(rule: DropoutKeepRule, element: u32) -> vec4<f32>`: those of four elements from there on, which cost
//!   hardly more than one where `start + element` is a multiple of 4, and two blocks of random numbers elsewhere.
//!
//! It takes its table from you, because you know where there is a binding: [`NORMAL_TABLE_PACKED`], 4 KiB that never change,
//! in a buffer with any usage you like. One function says where it is, and must be there:
//!
//! ```wgsl
//! @group(0) @binding(1) var<storage, read> normal_table: array<vec2<u32>, 512>;
//! fn dropout_normal_entry(i: u32) -> vec2<u32> { return normal_table[i]; }
//! ```
//!
//! In a uniform buffer, where arrays have elements of 16 bytes:
//!
//! ```wgsl
//! @group(0) @binding(1) var<uniform> normal_table: array<vec4<u32>, 256>;
//! fn dropout_normal_entry(i: u32) -> vec2<u32> {
//!     let pair = normal_table[i / 2u];
//!     return select(pair.xy, pair.zw, i % 2u == 1u);
//! }
//! ```
//!
//! [`attention`] gives a text that declares all that [`keep_rule`] does, and, for attention kernels that compute scores a tile
//! at a time and keep none of them:
//!
//! - `struct DropoutAttention { heads: u32, queries: u32, keys: u32 }`, 12 bytes: the shape of the scores, row-major, without
//!   the batches, whose number no index depends on;
//! - `fn dropout_attention_keep_bits(rule: DropoutKeepRule, shape: DropoutAttention, batch: u32, head: u32, query: u32,
//!   key: u32) -> u32`: which of 32 neighbouring keys of a query are kept, bit j for `key + j`, from any key on. Bits past the
//!   last key are those of the next query. They are the decisions of [`SoftmaxDropout`](crate::SoftmaxDropout), whatever the
//!   tiles; a tile of B × 32 scores takes B calls. Indexes have 64 bits. With `DROPOUT_START_IS_ALIGNED` the start, `keys` and
//!   every `key` must be multiples of 32;
//! - `fn dropout_attention_index(shape: DropoutAttention, batch: u32, head: u32, query: u32, key: u32) -> vec2<u32>`: the index
//!   of a score, low word first, counted from the rule's start.
//!
//! `examples/attention.rs` has a tiled attention with dropout, forward and backward.
//!
//! All other names begin with `dropout_`, `threefry` or `philox` too. `examples/fused_kernel.rs` is a complete program, and
//! `tests/gpu/users_kernels.rs` has one with normals.
//!
//! [`NORMAL_TABLE_PACKED`]: crate::normal_table::NORMAL_TABLE_PACKED

use crate::{Error, Generator, Mask, kernels, kernels::words};

/// The WGSL text of a generator: `fn dropout_random_block(seed, stream, group, part, domain) -> vec4<u32>`.
pub fn generator(generator: Generator) -> &'static str {
    kernels::generator_text(generator)
}

/// The WGSL text of the keep rule with a generator.
pub fn keep_rule(generator: Generator) -> String {
    kernels::keep_rule_text(generator)
}

/// The WGSL text of the keep rule and of the normals with a generator: everything that [`keep_rule`] declares, so that a
/// kernel takes one text or the other, and never both. It calls `dropout_normal_entry`, which your shader
/// [declares](self).
///
/// The generator's limit of indexes is [`Generator::normal_end`] there.
pub fn normals(generator: Generator) -> String {
    kernels::normals_text(generator)
}

/// The WGSL text of the keep rule and of the decisions of attention with a generator: everything that [`keep_rule`] declares,
/// so that a kernel takes one text or the other.
pub fn attention(generator: Generator) -> String {
    kernels::attention_text(generator)
}

/// The host twin of the WGSL `struct DropoutKeepRule`: what a kernel must know of a [`Mask`] of contiguous elements. Write
/// its bytes (`bytemuck::bytes_of`) into a uniform buffer or immediates.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct KeepRule {
    /// The key's seed: low word, high word.
    pub seed: [u32; 2],
    /// The key's stream: low word, high word.
    pub stream: [u32; 2],
    /// The logical index of the first element: low word, high word.
    pub start: [u32; 2],
    /// The threshold modulo 2³²; 0 both for p = 0 and p = 1, which the scale tells apart.
    pub threshold: u32,
    /// What inverted dropout multiplies a kept element by; 0 only for p = 1.
    pub scale: f32,
}

impl KeepRule {
    /// The rule of a mask, from an index on.
    pub(crate) fn new(mask: &Mask, start: u64) -> Self {
        Self {
            seed: words(mask.key().seed),
            stream: words(mask.key().stream),
            start: words(start),
            threshold: words(mask.threshold())[0],
            scale: mask.scale(),
        }
    }
}

impl TryFrom<&Mask> for KeepRule {
    type Error = Error;

    /// # Errors
    /// [`Error::NotContiguous`] for a mask with gaps or shared axes.
    fn try_from(mask: &Mask) -> Result<Self, Error> {
        let view = mask.view();
        if !view.is_contiguous() {
            return Err(Error::NotContiguous { strides: view.strides().to_vec() });
        }
        Ok(Self::new(mask, view.index(0)))
    }
}
