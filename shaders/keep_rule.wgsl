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

// True promises that start is a multiple of 32, and saves a fifth of the random numbers.
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
    let high = vec4<u32>(limit & 0xffff0000u);
    return join_lanes((block << vec4<u32>(16u)) == high, (block & vec4<u32>(0xffff0000u)) == high);
}

fn lane_half(block: vec4<u32>, lane: u32) -> u32 {
    return (block[lane & 3u] >> ((lane & 4u) << 2u)) & 0xffffu;
}

fn add_64(a: vec2<u32>, b: u32) -> vec2<u32> {
    let low = a.x + b;
    return vec2<u32>(low, a.y + select(0u, 1u, low < b));
}

// Group number i of a run, whose first group is a multiple of four when the start is aligned.
fn group_of_run(first: vec2<u32>, i: u32) -> vec2<u32> {
    if START_IS_ALIGNED {
        return vec2<u32>(first.x | i, first.y);
    }
    // Indexes wrap at 2^64, so groups at 2^61: a run may begin before index 0 and use only what follows.
    let group = add_64(first, i);
    return vec2<u32>(group.x, group.y & 0x1fffffffu);
}

fn keep_block(rule: KeepRule, group: vec2<u32>, part: u32) -> vec4<u32> {
    return random_block(rule.seed, rule.stream, group, part, KEEP_DOMAIN);
}

// Which of the 32 elements from local position `element` on are kept: bit j is element + j.
// `element` must be a multiple of 32.
fn keep_bits(rule: KeepRule, element: u32) -> u32 {
    let index = add_64(rule.start, element);
    let shift = select(index.x & 7u, 0u, START_IS_ALIGNED);
    let group = vec2<u32>((index.x >> 3u) | (index.y << 29u), index.y >> 3u);
    // Keep iff u < threshold, that is u <= limit.
    let limit = rule.threshold - 1u;
    // A half that equals the limit's is a tie, which part 1 decides; always for keeping where the limit's low half is
    // all ones, as for p = 0.5.
    let ties_matter = (limit & 0xffffu) != 0xffffu;

    // Part 0 of all groups but the last. A tie is kept for now.
    let block_0 = keep_block(rule, group, 0u);
    let block_1 = keep_block(rule, group_of_run(group, 1u), 0u);
    let block_2 = keep_block(rule, group_of_run(group, 2u), 0u);
    var keep = lanes_at_most(block_0, limit) | (lanes_at_most(block_1, limit) << 8u)
        | (lanes_at_most(block_2, limit) << 16u);
    var ties = lanes_equal(block_0, limit) | (lanes_equal(block_1, limit) << 8u)
        | (lanes_equal(block_2, limit) << 16u);
    // The last place of the run as counted from its first group: the last byte moves down by `shift`.
    var last = 24u;
    if !START_IS_ALIGNED {
        // The 32 elements touch a fifth group.
        let block_3 = keep_block(rule, group_of_run(group, 3u), 0u);
        keep = (keep | (lanes_at_most(block_3, limit) << 24u)) >> shift;
        ties = (ties | (lanes_equal(block_3, limit) << 24u)) >> shift;
        last = 32u;
    }
    ties = select(0u, ties, ties_matter);

    // The last group, and then part 1 for each tie: one loop for both, because software devices execute the body of a
    // branch for lanes that do not take it, but leave a loop when no lane is left in it.
    var place = last;
    var part = 0u;
    loop {
        let block = keep_block(rule, group_of_run(group, place >> 3u), part);
        if part == 0u {
            // Two shifts, because one by 32 is not defined.
            keep |= (lanes_at_most(block, limit) << (last - 1u - shift)) << 1u;
            ties |= select(0u, (lanes_equal(block, limit) << (last - 1u - shift)) << 1u, ties_matter);
        } else if lane_half(block, place & 7u) > (limit & 0xffffu) {
            keep &= ~(1u << (place - shift));
        }
        if ties == 0u {
            break;
        }
        place = firstTrailingBit(ties) + shift;
        part = 1u;
        ties &= ties - 1u;
    }
    return select(keep, 0u, rule.scale == 0.0);
}

// Whether the element at a local position is kept.
fn keeps(rule: KeepRule, element: u32) -> bool {
    return ((keep_bits(rule, element & ~31u) >> (element & 31u)) & 1u) == 1u;
}
