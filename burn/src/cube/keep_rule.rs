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

/// Of a block's lanes those that are below the high half of a threshold, and those that equal it, a bit each.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
struct Lanes {
    below: u32,
    equal: u32,
}

#[cube]
fn compare_lanes(block: Block, threshold: u32) -> Lanes {
    let mut words = Sequence::<u32>::new();
    words.push(block.x);
    words.push(block.y);
    words.push(block.z);
    words.push(block.w);
    let bound = threshold & 0xffff_0000;
    let mut below = 0u32.runtime();
    let mut equal = 0u32.runtime();
    #[unroll]
    for number in 0..4u32 {
        let word = words[comptime!(number as usize)];
        let (low, high) = (comptime!(1u32 << number), comptime!(16u32 << number));
        below |= select(word << 16 < bound, low, 0u32) | select(word < bound, high, 0u32);
        equal |= select(word << 16 == bound, low, 0u32) | select(word & 0xffff_0000 == bound, high, 0u32);
    }
    Lanes { below, equal }
}

/// Which of the 32 elements from an index on are kept. `aligned` is whether the index is a multiple of 8.
///
/// Ties are a loop of their own, because software devices execute the body of a branch for lanes that do not take it, but leave a
/// loop when no lane is left in it.
#[cube]
pub(super) fn keep_bits(rule: Rule, index: Index, #[comptime] aligned: bool, #[comptime] generator: Generator) -> u32 {
    let first = index.group(3u32);
    let low = rule.threshold & 0xffff;
    let mut keep = 0u32.runtime();
    let mut ties = 0u32.runtime();
    #[unroll]
    for number in 0..4u32 {
        let lanes = compare_lanes(random_block(rule, first.plus(number), 0u32, KEEP_DOMAIN, generator), rule.threshold);
        keep |= lanes.below << comptime!(8 * number);
        ties |= lanes.equal << comptime!(8 * number);
    }
    let mut shift = 0u32.runtime();
    if comptime!(!aligned) {
        shift = index.low & 7;
        let lanes = compare_lanes(random_block(rule, first.plus(4u32), 0u32, KEEP_DOMAIN, generator), rule.threshold);
        // Two shifts, because one by 32 is not defined.
        keep = (keep >> shift) | ((lanes.below << (31 - shift)) << 1);
        ties = (ties >> shift) | ((lanes.equal << (31 - shift)) << 1);
    }
    ties = select(low == 0, 0u32, ties);
    while ties != 0 {
        let position = ties.trailing_zeros();
        let lane = position + shift;
        let block = random_block(rule, first.plus(lane >> 3), 1u32, KEEP_DOMAIN, generator);
        keep |= select(lane_half(block, lane & 7) < low, 1u32, 0u32) << position;
        ties &= ties - 1;
    }
    keep
}

/// The same from any index, without a loop: part 1 is drawn for every group. For inside of loops: lavapipe refuses the SPIR-V that
/// CubeCL makes of a loop in a loop.
#[cube]
pub(super) fn keep_bits_in_a_loop(rule: Rule, index: Index, #[comptime] generator: Generator) -> u32 {
    let first = index.group(3u32);
    let shift = index.low & 7;
    let mut keep = 0u32.runtime();
    #[unroll]
    for number in 0..5u32 {
        let group = first.plus(number);
        let high = compare_lanes(random_block(rule, group, 0u32, KEEP_DOMAIN, generator), rule.threshold);
        let low = compare_lanes(random_block(rule, group, 1u32, KEEP_DOMAIN, generator), rule.threshold << 16);
        let kept = high.below | (high.equal & low.below);
        if comptime!(number < 4) {
            keep |= kept << comptime!(8 * number % 32);
        } else {
            keep = (keep >> shift) | ((kept << (31 - shift)) << 1);
        }
    }
    keep
}

/// Whether the element with an index is kept, without a loop.
#[cube]
pub(super) fn keeps(rule: Rule, index: Index, #[comptime] generator: Generator) -> bool {
    let group = index.group(3u32);
    let lane = index.low & 7;
    let high = lane_half(random_block(rule, group, 0u32, KEEP_DOMAIN, generator), lane);
    let low = lane_half(random_block(rule, group, 1u32, KEEP_DOMAIN, generator), lane);
    ((high << 16) | low) < rule.threshold
}
