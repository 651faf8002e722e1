// The keep rule for a whole group of eight, for GPUs: a block of which a lane is below the cutoff just where its element
// is kept. Ties, one lane in 65,536, are settled in a branch that hardly a subgroup takes.
// needs: random/keep_rule, cutoff

// Lanes that equal the threshold's high half become 0 where part 1 keeps the element, and 0xffff where it does not.
fn settle_ties(rule: DropoutKeepRule, group: vec2<u32>, block: vec4<u32>) -> vec4<u32> {
    let second = dropout_keep_block(rule, group, 1u);
    let high = vec4<u32>(rule.threshold >> 16u);
    let low = vec4<u32>(rule.threshold & 0xffffu);
    let settled_low = select(vec4<u32>(0xffffu), vec4<u32>(0u), (second & vec4<u32>(0xffffu)) < low);
    let settled_high = select(vec4<u32>(0xffffu), vec4<u32>(0u), (second >> vec4<u32>(16u)) < low);
    let low_lanes = block & vec4<u32>(0xffffu);
    let high_lanes = block >> vec4<u32>(16u);
    return select(low_lanes, settled_low, low_lanes == high)
        | (select(high_lanes, settled_high, high_lanes == high) << vec4<u32>(16u));
}

fn keep_group(rule: DropoutKeepRule, group: vec2<u32>) -> vec4<u32> {
    let block = dropout_keep_block(rule, group, 0u);
    let high = vec4<u32>(rule.threshold >> 16u);
    if any((block & vec4<u32>(0xffffu)) == high) | any((block >> vec4<u32>(16u)) == high) {
        return settle_ties(rule, group, block);
    }
    return block;
}

// Group `number` from that of the start on. Its low word must not wrap.
fn group_from_start(rule: DropoutKeepRule, number: u32) -> vec2<u32> {
    return vec2<u32>(((rule.start.x >> 3u) | (rule.start.y << 29u)) + number, rule.start.y >> 3u);
}

// Whether the elements of the low lanes, 0 to 3, are kept.
fn low_lanes_kept(rule: DropoutKeepRule, block: vec4<u32>) -> vec4<bool> {
    return (block & vec4<u32>(0xffffu)) < vec4<u32>(keep_cutoff(rule));
}

// And those of the high lanes, 4 to 7.
fn high_lanes_kept(rule: DropoutKeepRule, block: vec4<u32>) -> vec4<bool> {
    return (block >> vec4<u32>(16u)) < vec4<u32>(keep_cutoff(rule));
}
