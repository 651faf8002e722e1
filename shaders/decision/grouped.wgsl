// Decision: the keep rule for contiguous elements from the start of a group on, a group of eight at a time. The host sees
// to it that within a dispatch the low word of the groups' numbers does not wrap: then all but that word is the same for
// every invocation, and a GPU computes with it once a subgroup.
// needs: key, random/keep_group

alias Fates = vec4<u32>;

fn decide_group(number: u32, invocation: u32) -> Fates {
    let rule = keyed_rule();
    return keep_group(rule, group_from_start(rule, number));
}

// Whether elements 0 to 3 of the group are kept.
fn kept_first(fates: Fates) -> vec4<bool> {
    return low_lanes_kept(keyed_rule(), fates);
}

// And elements 4 to 7.
fn kept_last(fates: Fates) -> vec4<bool> {
    return high_lanes_kept(keyed_rule(), fates);
}
