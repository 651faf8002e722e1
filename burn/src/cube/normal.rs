//! The normals: `reference/normal.rs` of the library.

use cubecl::prelude::*;
use wgpu_dropout::Generator;

use super::{
    index::Index,
    keep_rule::{Rule, random_block},
};

const NORMAL_DOMAIN: u32 = wgpu_dropout::reference::NORMAL_DOMAIN;

/// The block of the last element, because neighbours share one.
#[derive(CubeType)]
pub(super) struct Drawn {
    known: bool,
    group_low: u32,
    group_high: u32,
    x: u32,
    y: u32,
    z: u32,
    w: u32,
}

#[cube]
pub(super) fn nothing_drawn() -> Drawn {
    let zero = 0u32;
    Drawn {
        known: false.runtime(),
        group_low: zero.runtime(),
        group_high: zero.runtime(),
        x: zero.runtime(),
        y: zero.runtime(),
        z: zero.runtime(),
        w: zero.runtime(),
    }
}

/// The standard normal of an index, by the packed table.
#[cube]
pub(super) fn normal(
    rule: Rule,
    index: Index,
    table: &[u32],
    drawn: &mut Drawn,
    #[comptime] generator: Generator,
) -> f32 {
    let group = index.group(2u32);
    // A loop of at most one turn, and no branch: see `keep_bits`.
    while !(drawn.known && drawn.group_low == group.low && drawn.group_high == group.high) {
        let block = random_block(rule, group, 0u32, NORMAL_DOMAIN, generator);
        drawn.x = block.x;
        drawn.y = block.y;
        drawn.z = block.z;
        drawn.w = block.w;
        drawn.group_low = group.low;
        drawn.group_high = group.high;
        drawn.known = true.runtime();
    }
    let low = select(index.low & 1 == 0, drawn.x, drawn.y);
    let high = select(index.low & 1 == 0, drawn.z, drawn.w);
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
