// Decision: as decision/grouped.wgsl, from a start inside of a group: START_SHIFT elements after its first. An invocation
// decides one group, and gets what it needs of the next from its neighbour. The last invocation of a workgroup only
// lends.
// needs: key, random/keep_group

alias Fates = vec4<u32>;

var<workgroup> blocks: array<vec4<u32>, WORKGROUP_SIZE>;

fn decide_group(number: u32, invocation: u32) -> Fates {
    let rule = keyed_rule();
    let group = vec2<u32>(((rule.start.x >> 3u) | (rule.start.y << 29u)) + number, rule.start.y >> 3u);
    let own = keep_group(rule, group);
    blocks[invocation] = own;
    workgroupBarrier();
    let next = blocks[min(invocation + 1u, WORKGROUP_SIZE - 1u)];
    // Lane l + 4 is above lane l in its word. So words from the eight groups of lanes 0 to 3, 4 to 7 and those of the
    // next group; four of them in a row are the lanes from any element on.
    let between = (own >> vec4<u32>(16u)) | (next << vec4<u32>(16u));
    let lanes = array<u32, 12>(
        own.x, own.y, own.z, own.w, between.x, between.y, between.z, between.w, next.x, next.y, next.z, next.w,
    );
    return vec4<u32>(lanes[START_SHIFT], lanes[START_SHIFT + 1u], lanes[START_SHIFT + 2u], lanes[START_SHIFT + 3u]);
}

fn kept_first(fates: Fates) -> vec4<bool> {
    return (fates & vec4<u32>(0xffffu)) < vec4<u32>(keep_cutoff(parameters.rule));
}

fn kept_last(fates: Fates) -> vec4<bool> {
    return (fates >> vec4<u32>(16u)) < vec4<u32>(keep_cutoff(parameters.rule));
}
