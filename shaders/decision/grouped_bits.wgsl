// Decision: as decision/grouped.wgsl, but RUN elements at a time as bits. The start may lie inside of a group where
// INSIDE_GROUP says so.
// needs: key, random/keep_group

fn group_bits(rule: DropoutKeepRule, number: u32) -> u32 {
    let group = vec2<u32>(((rule.start.x >> 3u) | (rule.start.y << 29u)) + number, rule.start.y >> 3u);
    let block = keep_group(rule, group);
    let cutoff = vec4<u32>(keep_cutoff(rule));
    return dropout_join_lanes((block & vec4<u32>(0xffffu)) < cutoff, (block >> vec4<u32>(16u)) < cutoff);
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
