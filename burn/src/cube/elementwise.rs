//! The kernel: `reference/dropout.rs` of the library.

use cubecl::prelude::*;
use wgpu_dropout::{Dtype, Generator};

use super::{
    index::{Inner, Place, position_of},
    keep_rule::{Rule, keep_bits, keep_bits_in_a_loop, keeps},
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
    pub(super) inner: Inner,
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

/// Elements that a unit computes: a bit each of a word of decisions.
pub(super) const RUN: u32 = 32;

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
    let words_per_unit = comptime!(RUN / elements_per_word);
    // There may be units past the last, whose elements 32 bits could not number.
    if (ABSOLUTE_POS as u32) < words.div_ceil(words_per_unit) {
        let first = ABSOLUTE_POS as u32 * words_per_unit;
        let mut keep = 0xffff_ffffu32.runtime();
        if comptime!(matches!(variant.formula, Formula::Scale | Formula::Select | Formula::Alpha)) {
            keep = decide(rule, &place, first * elements_per_word, variant.inner, variant.generator);
        }
        let end = min(first + words_per_unit, words);
        let whole = first + ((end - first) & !3u32);
        for quad in range_stepped(first, whole, 4u32) {
            #[unroll]
            for number in 0..4u32 {
                let at = (quad + number) as usize;
                output[at] = operate_word(input[at], keep >> comptime!(number * elements_per_word), constants, variant);
            }
            keep >>= comptime!(4 * elements_per_word);
        }
        for number in whole..end {
            output[number as usize] = operate_word(input[number as usize], keep, constants, variant);
            keep >>= elements_per_word;
        }
    }
}

/// What becomes of a word's elements, the first of which is kept by the lowest bit.
#[cube]
fn operate_word(word: u32, keep: u32, constants: Constants, #[comptime] variant: Variant) -> u32 {
    if comptime!(variant.dtype == Dtype::F32) {
        operate(word, keep & 1 == 1, constants, variant.formula, variant.dtype)
    } else {
        let low = operate(word & 0xffff, keep & 1 == 1, constants, variant.formula, variant.dtype);
        let high = operate(word >> 16, keep & 2 == 2, constants, variant.formula, variant.dtype);
        low | (high << 16)
    }
}

/// Which of the elements of a run are kept.
#[cube]
fn decide(rule: Rule, place: &Place, element: u32, #[comptime] inner: Inner, #[comptime] generator: Generator) -> u32 {
    if comptime!(matches!(inner, Inner::Contiguous { .. })) {
        keep_bits(
            rule,
            position_of(place, element).index,
            comptime!(inner == Inner::Contiguous { aligned: true }),
            generator,
        )
    } else {
        let mut keep = 0u32.runtime();
        let mut done = 0u32.runtime();
        while done < RUN {
            let position = position_of(place, element + done);
            let bits = if comptime!(inner == Inner::Dense) {
                keep_bits_in_a_loop(rule, position.index, generator)
            } else {
                select(keeps(rule, position.index, generator), 0xffff_ffffu32, 0u32)
            };
            let count =
                if comptime!(inner == Inner::Strided) { 1u32.runtime() } else { min(position.left, RUN - done) };
            keep |= (bits & (0xffff_ffff >> (32 - count))) << done;
            done += count;
        }
        keep
    }
}

/// Gaussian noise. `table` is that of the normals, packed.
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
    let words_per_unit = comptime!(RUN / elements_per_word);
    if (ABSOLUTE_POS as u32) < words.div_ceil(words_per_unit) {
        let first = ABSOLUTE_POS as u32 * words_per_unit;
        for number in first..min(first + words_per_unit, words) {
            let word = input[number as usize];
            let mut result = 0u32.runtime();
            // Not a loop in a loop: see `keep_bits_in_a_loop`.
            #[unroll]
            for half in 0..elements_per_word {
                let x = widen(element_of(word, half, variant.dtype), variant.dtype);
                let index = position_of(&place, number * elements_per_word + half).index;
                let normal = normal(rule, index, table, variant.generator);
                let factor = f32::new(1.0) + rounded(constants.scale * normal, constants.zero);
                result |= narrow(x * factor, variant.dtype) << (16 * half);
            }
            output[number as usize] = result;
        }
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
