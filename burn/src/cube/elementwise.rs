//! The kernel: `reference/dropout.rs` of the library.

use cubecl::prelude::*;
use wgpu_dropout::{Dtype, Generator};

use super::{
    index::{Place, index_of},
    keep_rule::{Rule, keeps, nothing_drawn},
    normal::normal,
    storage::{narrow, widen},
};

/// What happens to an element, without its numbers: those are [`Constants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Formula {
    /// +0, whatever the mask.
    Drop,
    /// `x·scale`, whatever the mask.
    Multiply,
    /// `keep ? x·scale : +0`.
    Scale,
    /// `keep ? x : +0`, with x's bits unchanged.
    Select,
    /// `keep ? (x·scale) + shift : dropped`.
    Alpha,
    /// `x·(1 + scale·z)`: that of the kernel [`noise`].
    Gaussian,
}

/// What a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    pub(super) formula: Formula,
    pub(super) dtype: Dtype,
    pub(super) generator: Generator,
    pub(super) contiguous: bool,
    /// Words that a unit computes, one after the other.
    pub(super) run: u32,
}

/// The numbers of a [`Formula`].
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Constants {
    scale: f32,
    shift: f32,
    dropped: f32,
    /// Zero, as only the host knows: see [`rounded`].
    zero: u32,
}

/// Elements in words of 32 bits, so that 16-bit floats need no type of the device's.
#[cube(launch)]
pub(super) fn elementwise(
    input: &[u32],
    output: &mut [u32],
    rule: Rule,
    place: Place,
    constants: Constants,
    words: u32,
    #[comptime] variant: Variant,
) {
    let elements_per_word = comptime!(if variant.dtype == Dtype::F32 { 1u32 } else { 2u32 });
    let first = ABSOLUTE_POS as u32 * variant.run;
    // The last unit's run may end early, and there may be units past it.
    let end = min(first + variant.run, words);
    let mut drawn = nothing_drawn();
    for number in first..end {
        let word = input[number as usize];
        let mut result = 0u32.runtime();
        for half in 0..elements_per_word {
            let bits = element_of(word, half, variant.dtype);
            let mut keep = true.runtime();
            if comptime!(matches!(variant.formula, Formula::Scale | Formula::Select | Formula::Alpha)) {
                let index = index_of(&place, number * elements_per_word + half, variant.contiguous);
                keep = keeps(rule, index, &mut drawn, variant.generator);
            }
            result |= operate(bits, keep, constants, variant.formula, variant.dtype) << (16 * half);
        }
        output[number as usize] = result;
    }
}

/// The same with Gaussian noise. `table` is that of the normals, packed.
#[cube(launch)]
pub(super) fn noise(
    input: &[u32],
    output: &mut [u32],
    table: &[u32],
    rule: Rule,
    place: Place,
    constants: Constants,
    words: u32,
    #[comptime] variant: Variant,
) {
    let elements_per_word = comptime!(if variant.dtype == Dtype::F32 { 1u32 } else { 2u32 });
    let first = ABSOLUTE_POS as u32 * variant.run;
    let end = min(first + variant.run, words);
    for number in first..end {
        let word = input[number as usize];
        let mut result = 0u32.runtime();
        for half in 0..elements_per_word {
            let x = widen(element_of(word, half, variant.dtype), variant.dtype);
            let index = index_of(&place, number * elements_per_word + half, variant.contiguous);
            let normal = normal(rule, index, table, variant.generator);
            let factor = f32::new(1.0) + rounded(constants.scale * normal, constants.zero);
            result |= narrow(x * factor, variant.dtype) << (16 * half);
        }
        output[number as usize] = result;
    }
}

#[cube]
fn element_of(word: u32, half: u32, #[comptime] dtype: Dtype) -> u32 {
    if comptime!(dtype == Dtype::F32) { word } else { (word >> (16 * half)) & 0xffff }
}

/// What becomes of the bits of an element.
#[cube]
fn operate(bits: u32, keep: bool, constants: Constants, #[comptime] formula: Formula, #[comptime] dtype: Dtype) -> u32 {
    if comptime!(formula == Formula::Drop) {
        0u32.runtime()
    } else if comptime!(formula == Formula::Select) {
        select(keep, bits, 0u32)
    } else if comptime!(formula == Formula::Alpha) {
        let product = rounded(widen(bits, dtype) * constants.scale, constants.zero);
        select(keep, narrow(product + constants.shift, dtype), narrow(constants.dropped, dtype))
    } else {
        select(keep, narrow(widen(bits, dtype) * constants.scale, dtype), 0u32)
    }
}

/// A product, rounded by itself: compilers may fuse a multiplication and an addition, which rounds once where the format rounds
/// twice. An exclusive-or with a number that only the host knows to be zero comes between the two.
#[cube]
fn rounded(product: f32, zero: u32) -> f32 {
    f32::reinterpret(u32::reinterpret(product) ^ zero)
}
