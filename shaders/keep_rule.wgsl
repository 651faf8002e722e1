// The keep rule, version 1: decides which elements are kept. docs/keep-rule.md is the format.
// Needs a generator fragment before it: threefry4x32.wgsl or philox4x32.wgsl.

// One random mask, from the place in the logical tensor where the data starts. 64-bit values are (low, high).
struct KeepRule {
    seed: vec2<u32>,
    stream: vec2<u32>,
    start: vec2<u32>,
    threshold: u32, // mod 2^32: it is 0 for p = 0 (scale 1) and for p = 1 (scale 0)
    scale: f32,
}

// True promises that start is a multiple of 8, and saves a fifth of the random numbers.
override START_IS_ALIGNED: bool = false;

const KEEP_DOMAIN = 0u;

// The bits of a block's lanes: 0-3 are the low halves of its words, 4-7 the high halves.
const LOW_LANES = vec4<u32>(1u, 2u, 4u, 8u);
const HIGH_LANES = vec4<u32>(16u, 32u, 64u, 128u);

fn join_lanes(low: vec4<bool>, high: vec4<bool>) -> u32 {
    let lanes = select(vec4<u32>(0u), LOW_LANES, low) | select(vec4<u32>(0u), HIGH_LANES, high);
    return lanes.x | lanes.y | lanes.z | lanes.w;
}

// The lanes whose 16 bits are at most the high 16 bits of `limit`.
fn lanes_at_most(block: vec4<u32>, limit: u32) -> u32 {
    return join_lanes((block << vec4<u32>(16u)) <= vec4<u32>(limit), block <= vec4<u32>(limit | 0xffffu));
}

// The lanes whose 16 bits equal the high 16 bits of `limit`: 1 in 65,536.
fn lanes_equal(block: vec4<u32>, limit: u32) -> u32 {
    return join_lanes(
        (block << vec4<u32>(16u)) == vec4<u32>(limit & 0xffff0000u),
        (block & vec4<u32>(0xffff0000u)) == vec4<u32>(limit & 0xffff0000u),
    );
}

fn lane_half(block: vec4<u32>, lane: u32) -> u32 {
    return (block[lane & 3u] >> ((lane & 4u) << 2u)) & 0xffffu;
}

fn add_64(a: vec2<u32>, b: u32) -> vec2<u32> {
    let low = a.x + b;
    return vec2<u32>(low, a.y + select(0u, 1u, low < b));
}

// Which of the 32 elements from local position `element` on are kept: bit j is element + j.
// `element` must be a multiple of 8.
fn keep_bits(rule: KeepRule, element: u32) -> u32 {
    let index = add_64(rule.start, element);
    let shift = select(index.x & 7u, 0u, START_IS_ALIGNED);
    let group = vec2<u32>((index.x >> 3u) | (index.y << 29u), index.y >> 3u);
    // Keep iff u < threshold, that is u <= limit.
    let limit = rule.threshold - 1u;

    // Part 0. An element whose half equals the limit's is a tie: kept for now.
    let block_0 = random_block(rule.seed, rule.stream, group, 0u, KEEP_DOMAIN);
    let block_1 = random_block(rule.seed, rule.stream, add_64(group, 1u), 0u, KEEP_DOMAIN);
    let block_2 = random_block(rule.seed, rule.stream, add_64(group, 2u), 0u, KEEP_DOMAIN);
    let block_3 = random_block(rule.seed, rule.stream, add_64(group, 3u), 0u, KEEP_DOMAIN);
    var keep = lanes_at_most(block_0, limit) | (lanes_at_most(block_1, limit) << 8u)
        | (lanes_at_most(block_2, limit) << 16u) | (lanes_at_most(block_3, limit) << 24u);
    var ties = lanes_equal(block_0, limit) | (lanes_equal(block_1, limit) << 8u)
        | (lanes_equal(block_2, limit) << 16u) | (lanes_equal(block_3, limit) << 24u);
    if !START_IS_ALIGNED {
        // The 32 elements touch a fifth group. Two shifts, because one by 32 is not defined.
        let block_4 = random_block(rule.seed, rule.stream, add_64(group, 4u), 0u, KEEP_DOMAIN);
        keep = (keep >> shift) | ((lanes_at_most(block_4, limit) << (31u - shift)) << 1u);
        ties = (ties >> shift) | ((lanes_equal(block_4, limit) << (31u - shift)) << 1u);
    }

    // Part 1, for ties alone. Every tie is kept when the limit's low half is all ones, as for p = 0.5.
    ties = select(ties, 0u, (limit & 0xffffu) == 0xffffu);
    loop {
        if ties == 0u {
            break;
        }
        let tie = firstTrailingBit(ties);
        let lane = shift + tie;
        let block = random_block(rule.seed, rule.stream, add_64(group, lane >> 3u), 1u, KEEP_DOMAIN);
        let drop = lane_half(block, lane & 7u) > (limit & 0xffffu);
        keep &= ~select(0u, 1u << tie, drop);
        ties &= ties - 1u;
    }
    return select(keep, 0u, rule.scale == 0.0);
}

// Whether the element at a local position is kept.
fn keeps(rule: KeepRule, element: u32) -> bool {
    return ((keep_bits(rule, element & ~7u) >> (element & 7u)) & 1u) == 1u;
}
