//! The keep rule as WGSL text, for your own fused kernels: the same decisions in the same pass as your arithmetic.
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
//! All its other names begin with `dropout_`, `threefry` or `philox` too. `examples/fused_kernel.rs` is a complete program.

use crate::{Error, Generator, Mask, kernels, kernels::words};

/// The WGSL text of a generator: `fn dropout_random_block(seed, stream, group, part, domain) -> vec4<u32>`.
pub fn generator(generator: Generator) -> &'static str {
    kernels::generator_text(generator)
}

/// The WGSL text of the keep rule with a generator.
pub fn keep_rule(generator: Generator) -> String {
    kernels::keep_rule_text(generator)
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
