//! The keep rule as WGSL text, for your own fused kernels: the same decisions in the same pass as your arithmetic.
//!
//! [`keep_rule`] gives a text to put before your shader. It has no bindings and no entry point; it declares
//!
//! - `struct KeepRule { seed: vec2<u32>, stream: vec2<u32>, start: vec2<u32>, threshold: u32, scale: f32 }`, 32 bytes,
//!   whose host twin is [`KeepRule`];
//! - `fn keeps(rule: KeepRule, element: u32) -> bool`: whether the element at a local position is kept;
//! - `fn keep_bits(rule: KeepRule, element: u32) -> u32`: the same for 32 elements at once, which costs hardly more
//!   than one; `element` must be a multiple of 32;
//! - `override START_IS_ALIGNED: bool = false`: set it to true (1.0) in your pipeline when every start is a multiple
//!   of 32, to save a fifth of the random numbers.
//!
//! `examples/fused_kernel.rs` is a complete program.

use crate::{Generator, Mask};

pub(crate) const THREEFRY4X32: &str = include_str!("../shaders/threefry4x32.wgsl");
pub(crate) const PHILOX4X32: &str = include_str!("../shaders/philox4x32.wgsl");
pub(crate) const KEEP_RULE: &str = include_str!("../shaders/keep_rule.wgsl");

/// The WGSL text of a generator: `fn random_block(seed, stream, group, part, domain) -> vec4<u32>`.
pub const fn generator(generator: Generator) -> &'static str {
    match generator {
        Generator::Threefry => THREEFRY4X32,
        Generator::Philox => PHILOX4X32,
    }
}

/// The WGSL text of the keep rule with a generator.
pub fn keep_rule(generator: Generator) -> String {
    [self::generator(generator), KEEP_RULE].concat()
}

/// The host twin of the WGSL `struct KeepRule`: what a kernel must know of a [`Mask`]. Write its bytes
/// (`bytemuck::bytes_of`) into a uniform buffer or immediates.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct KeepRule {
    /// The key's seed: low word, high word.
    pub seed: [u32; 2],
    /// The key's stream: low word, high word.
    pub stream: [u32; 2],
    /// The logical index of the first element, or of the first row's start: low word, high word.
    pub start: [u32; 2],
    /// The threshold modulo 2³²; 0 both for p = 0 and p = 1, which the scale tells apart.
    pub threshold: u32,
    /// What inverted dropout multiplies a kept element by; 0 only for p = 1.
    pub scale: f32,
}

impl From<&Mask> for KeepRule {
    fn from(mask: &Mask) -> Self {
        let words = |x: u64| [x as u32, (x >> 32) as u32];
        Self {
            seed: words(mask.key().seed),
            stream: words(mask.key().stream),
            start: words(mask.view().start()),
            threshold: mask.threshold() as u32,
            scale: mask.scale(),
        }
    }
}
