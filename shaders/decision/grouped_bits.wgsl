// Decision: as decision/grouped.wgsl, but RUN elements at a time as bits. The start may lie inside of a group where
// INSIDE_GROUP says so.
// needs: key, random/keep_group

fn group_bits(rule: DropoutKeepRule, number: u32) -> u32 {
    let block = keep_group(rule, group_from_start(rule, number));
    return dropout_join_lanes(low_lanes_kept(rule, block), high_lanes_kept(rule, block));
}

fn decide_bits(position: u32) -> u32 {
    let rule = keyed_rule();
    let first = position / 8u;
    var bits = group_bits(rule, first);
    if RUN == 32u {
        bits |= group_bits(rule, first + 1u) << 8u;
        bits |= group_bits(rule, first + 2u) << 16u;
        bits |= group_bits(rule, first + 3u) << 24u;
    }
    if INSIDE_GROUP {
        let shift = rule.start.x & 7u;
        // Two shifts, because one by 32 is not defined.
        bits = (bits >> shift) | ((group_bits(rule, first + RUN / 8u) << (RUN - 1u - shift)) << 1u);
    }
    return bits;
}
