//! The normals: `reference/normal.rs` of the library.

use cubecl::prelude::*;
use wgpu_dropout::Generator;

use super::{
    index::Index,
    keep_rule::{Rule, random_block},
};

const NORMAL_DOMAIN: u32 = wgpu_dropout::reference::NORMAL_DOMAIN;

/// The standard normal of an index, by the packed table.
#[cube]
pub(super) fn normal(rule: Rule, index: Index, table: &[u32], #[comptime] generator: Generator) -> f32 {
    let block = random_block(rule, index.group(2u32), 0u32, NORMAL_DOMAIN, generator);
    let low = select(index.low & 1 == 0, block.x, block.y);
    let high = select(index.low & 1 == 0, block.z, block.w);
    let u = select(index.low & 2 == 0, low, high);

    let m = (u << 1) | 1;
    let octave = m.leading_zeros();
    let n = m << octave;
    let entry = 2 * (16 * octave + ((n >> 27) & 15));
    let a = table[entry as usize];
    let b_and_c = table[(entry + 1) as usize];
    let x = (n >> 11) & 0xffff;
    let z = a - ((x * ((b_and_c >> 16) - ((x * (b_and_c & 0xffff)) >> 16))) >> 15);
    // Exact, and never zero.
    let magnitude = f32::cast_from(z) * f32::new(4.768_371_6e-7);
    f32::reinterpret(u32::reinterpret(magnitude) | (u & 0x8000_0000))
}
