// Decision: the keep rule for contiguous elements from the start of a group on, a group of eight at a time. The host sees
// to it that within a dispatch the low word of the groups' numbers does not wrap: then all but that word is the same for
// every invocation, and a GPU computes with it once a subgroup.
// needs: key, random/keep_group

alias Fates = vec4<u32>;

fn group_of_rule(rule: DropoutKeepRule, number: u32) -> vec2<u32> {
    return vec2<u32>(((rule.start.x >> 3u) | (rule.start.y << 29u)) + number, rule.start.y >> 3u);
}

fn decide_group(number: u32, invocation: u32) -> Fates {
    let rule = keyed_rule();
    return keep_group(rule, group_of_rule(rule, number));
}

// Whether elements 0 to 3 of the group are kept: the low lanes.
fn kept_first(fates: Fates) -> vec4<bool> {
    return (fates & vec4<u32>(0xffffu)) < vec4<u32>(keep_cutoff(parameters.rule));
}

// And elements 4 to 7: the high lanes.
fn kept_last(fates: Fates) -> vec4<bool> {
    return (fates >> vec4<u32>(16u)) < vec4<u32>(keep_cutoff(parameters.rule));
}
