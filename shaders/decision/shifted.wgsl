// Decision: as decision/grouped.wgsl, from a start inside of a group: START_SHIFT elements after its first. An invocation
// decides one group, and gets what it needs of the next from its neighbour. The last invocation of a workgroup only
// lends.
// needs: key, random/keep_group

alias Fates = vec4<u32>;

var<workgroup> blocks: array<vec4<u32>, WORKGROUP_SIZE>;

fn decide_group(number: u32, invocation: u32) -> Fates {
    let rule = keyed_rule();
    let own = keep_group(rule, group_from_start(rule, number));
    blocks[invocation] = own;
    workgroupBarrier();
    let next = blocks[min(invocation + 1u, WORKGROUP_SIZE - 1u)];
    // Lane l + 4 is above lane l in its word. So these are words for lanes 0 to 3, 4 to 7, and 0 to 3 of the next
    // group, each with the lane four later above it; four in a row are the lanes from any element on.
    let between = (own >> vec4<u32>(16u)) | (next << vec4<u32>(16u));
    let lanes = array<u32, 12>(
        own.x, own.y, own.z, own.w, between.x, between.y, between.z, between.w, next.x, next.y, next.z, next.w,
    );
    return vec4<u32>(lanes[START_SHIFT], lanes[START_SHIFT + 1u], lanes[START_SHIFT + 2u], lanes[START_SHIFT + 3u]);
}

// Whether elements 0 to 3 of the group are kept.
fn kept_first(fates: Fates) -> vec4<bool> {
    return low_lanes_kept(keyed_rule(), fates);
}

// And elements 4 to 7.
fn kept_last(fates: Fates) -> vec4<bool> {
    return high_lanes_kept(keyed_rule(), fates);
}
