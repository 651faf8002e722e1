//! The keep rule: `reference/keep_rule.rs` of the library, for 0 < p < 1. docs/format.md is the format.

use cubecl::prelude::*;
use wgpu_dropout::{Generator, Mask};

use super::{
    generator::{Block, philox4x32_10, threefry4x32_20},
    index::Index,
};

pub(super) const KEEP_DOMAIN: u32 = wgpu_dropout::reference::KEEP_DOMAIN;

/// What names a mask.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Rule {
    seed_low: u32,
    seed_high: u32,
    stream_low: u32,
    stream_high: u32,
    /// Below 2³².
    threshold: u32,
}

impl RuleLaunch {
    pub(super) fn of(mask: &Mask) -> Self {
        let key = mask.key();
        let [[seed_low, seed_high], [stream_low, stream_high]] = [key.seed, key.stream].map(words);
        // A threshold of 2³² decides nothing.
        Self::new(seed_low, seed_high, stream_low, stream_high, words(mask.threshold())[0])
    }
}

/// The low and the high half.
pub(super) fn words(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// A block's lane: the low halves of the four words, then the high halves.
#[cube]
fn lane_half(block: Block, lane: u32) -> u32 {
    let low = select(lane & 1 == 0, block.x, block.y);
    let high = select(lane & 1 == 0, block.z, block.w);
    (select(lane & 2 == 0, low, high) >> ((lane & 4) << 2)) & 0xffff
}

/// Four random words of a group.
#[cube]
pub(super) fn random_block(
    rule: Rule,
    group: Index,
    #[comptime] part: u32,
    #[comptime] domain: u32,
    #[comptime] generator: Generator,
) -> Block {
    if comptime!(generator == Generator::Philox) {
        let tag = comptime!(part << 31 | domain << 24);
        philox4x32_10(
            Block { x: group.low, y: group.high | tag, z: rule.stream_low, w: rule.stream_high },
            Block { x: rule.seed_low, y: rule.seed_high, z: 0u32.runtime(), w: 0u32.runtime() },
        )
    } else {
        threefry4x32_20(
            Block { x: group.low, y: group.high, z: part.runtime(), w: domain.runtime() },
            Block { x: rule.seed_low, y: rule.seed_high, z: rule.stream_low, w: rule.stream_high },
        )
    }
}

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
    Drawn {
        known: false.runtime(),
        group_low: 0u32.runtime(),
        group_high: 0u32.runtime(),
        x: 0u32.runtime(),
        y: 0u32.runtime(),
        z: 0u32.runtime(),
        w: 0u32.runtime(),
    }
}

/// Whether the element with an index is kept.
///
/// Branches are loops that end after one turn: software devices execute the body of a branch for lanes that do not take it, but
/// leave a loop when no lane is left in it.
#[cube]
pub(super) fn keeps(rule: Rule, index: Index, drawn: &mut Drawn, #[comptime] generator: Generator) -> bool {
    let group = index.group(3u32);
    while !(drawn.known && drawn.group_low == group.low && drawn.group_high == group.high) {
        let block = random_block(rule, group, 0u32, KEEP_DOMAIN, generator);
        drawn.x = block.x;
        drawn.y = block.y;
        drawn.z = block.z;
        drawn.w = block.w;
        drawn.group_low = group.low;
        drawn.group_high = group.high;
        drawn.known = true.runtime();
    }
    let lane = index.low & 7;
    let half = lane_half(Block { x: drawn.x, y: drawn.y, z: drawn.z, w: drawn.w }, lane);
    let high = rule.threshold >> 16;
    let low = rule.threshold & 0xffff;
    let mut kept = half < high;
    let mut open = half == high && low != 0;
    while open {
        kept = lane_half(random_block(rule, group, 1u32, KEEP_DOMAIN, generator), lane) < low;
        open = false.runtime();
    }
    kept
}
