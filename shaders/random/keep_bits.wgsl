// The keep rule for 32 elements at once, from any start. docs/format.md is the format.
// needs: alignment, random/keep_rule

// The lanes whose 16 bits are at most the high 16 bits of `limit`.
fn dropout_lanes_at_most(block: vec4<u32>, limit: u32) -> u32 {
    return dropout_join_lanes((block << vec4<u32>(16u)) <= vec4<u32>(limit), block <= vec4<u32>(limit | 0xffffu));
}

// The lanes whose 16 bits equal the high 16 bits of `limit`: 1 in 65,536.
fn dropout_lanes_equal(block: vec4<u32>, limit: u32) -> u32 {
    let high = vec4<u32>(limit & 0xffff0000u);
    return dropout_join_lanes((block << vec4<u32>(16u)) == high, (block & vec4<u32>(0xffff0000u)) == high);
}

fn dropout_lane_half(block: vec4<u32>, lane: u32) -> u32 {
    return (block[lane & 3u] >> ((lane & 4u) << 2u)) & 0xffffu;
}

// Group number i of a run, whose first group is a multiple of four when the start is aligned.
fn dropout_group_of_run(first: vec2<u32>, i: u32) -> vec2<u32> {
    if DROPOUT_START_IS_ALIGNED {
        return vec2<u32>(first.x | i, first.y);
    }
    // Indexes wrap at 2^64, so groups at 2^61: a run may begin before index 0 and use only what follows.
    let group = dropout_add_64(first, i);
    return vec2<u32>(group.x, group.y & 0x1fffffffu);
}

// Which of the 32 elements from local position `element` on are kept: bit j is element + j.
// `element` must be a multiple of 32.
fn dropout_keep_bits(rule: DropoutKeepRule, element: u32) -> u32 {
    let index = dropout_add_64(rule.start, element);
    let shift = select(index.x & 7u, 0u, DROPOUT_START_IS_ALIGNED);
    let group = vec2<u32>((index.x >> 3u) | (index.y << 29u), index.y >> 3u);
    // Keep iff u < threshold, that is u <= limit.
    let limit = rule.threshold - 1u;
    // A half that equals the limit's is a tie, which part 1 decides; always for keeping where the limit's low half is
    // all ones, as for p = 0.5.
    let ties_matter = (limit & 0xffffu) != 0xffffu;

    // Part 0 of all groups but the last. A tie is kept for now.
    let block_0 = dropout_keep_block(rule, group, 0u);
    let block_1 = dropout_keep_block(rule, dropout_group_of_run(group, 1u), 0u);
    let block_2 = dropout_keep_block(rule, dropout_group_of_run(group, 2u), 0u);
    var keep = dropout_lanes_at_most(block_0, limit) | (dropout_lanes_at_most(block_1, limit) << 8u)
        | (dropout_lanes_at_most(block_2, limit) << 16u);
    var ties = dropout_lanes_equal(block_0, limit) | (dropout_lanes_equal(block_1, limit) << 8u)
        | (dropout_lanes_equal(block_2, limit) << 16u);
    // The last position of the run as counted from its first group: the last byte moves down by `shift`.
    var last = 24u;
    if !DROPOUT_START_IS_ALIGNED {
        // The 32 elements touch a fifth group.
        let block_3 = dropout_keep_block(rule, dropout_group_of_run(group, 3u), 0u);
        keep = (keep | (dropout_lanes_at_most(block_3, limit) << 24u)) >> shift;
        ties = (ties | (dropout_lanes_equal(block_3, limit) << 24u)) >> shift;
        last = 32u;
    }
    ties = select(0u, ties, ties_matter);

    // The last group, and then part 1 for each tie: one loop for both, because software devices execute the body of a
    // branch for lanes that do not take it, but leave a loop when no lane is left in it.
    var position = last;
    var part = 0u;
    loop {
        let block = dropout_keep_block(rule, dropout_group_of_run(group, position >> 3u), part);
        if part == 0u {
            // Two shifts, because one by 32 is not defined.
            keep |= (dropout_lanes_at_most(block, limit) << (last - 1u - shift)) << 1u;
            ties |= select(0u, (dropout_lanes_equal(block, limit) << (last - 1u - shift)) << 1u, ties_matter);
        } else if dropout_lane_half(block, position & 7u) > (limit & 0xffffu) {
            keep &= ~(1u << (position - shift));
        }
        if ties == 0u {
            break;
        }
        position = firstTrailingBit(ties) + shift;
        part = 1u;
        ties &= ties - 1u;
    }
    return select(keep, 0u, rule.scale == 0.0);
}

// Whether the element at a local position is kept.
fn dropout_keeps(rule: DropoutKeepRule, element: u32) -> bool {
    return ((dropout_keep_bits(rule, element & ~31u) >> (element & 31u)) & 1u) == 1u;
}

// Whether the element at the start is kept, from no more random numbers than it needs.
fn dropout_keeps_one(rule: DropoutKeepRule) -> bool {
    let group = vec2<u32>((rule.start.x >> 3u) | (rule.start.y << 29u), rule.start.y >> 3u);
    let lane = rule.start.x & 7u;
    // Keep iff u < threshold, that is u <= limit.
    let limit = rule.threshold - 1u;
    // Part 1 only after a tie: one loop for both, as in dropout_keep_bits.
    var keep = false;
    var part = 0u;
    loop {
        let half = dropout_lane_half(dropout_keep_block(rule, group, part), lane);
        let bound = select(limit >> 16u, limit & 0xffffu, part == 1u);
        keep = half <= bound;
        if half != bound || part == 1u {
            break;
        }
        part = 1u;
    }
    return keep && rule.scale != 0.0;
}
