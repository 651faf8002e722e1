// The keep rule, version 1: what names a mask, and its random blocks. docs/format.md is the format.
// needs: generator

// One random mask, from the index in the logical tensor where the data starts. 64-bit values are (low, high).
struct DropoutKeepRule {
    seed: vec2<u32>,
    stream: vec2<u32>,
    start: vec2<u32>,
    threshold: u32, // mod 2^32: it is 0 for p = 0 (scale 1) and for p = 1 (scale 0)
    scale: f32,
}

const DROPOUT_KEEP_DOMAIN = 0u;

// The bits of a block's lanes: 0-3 are the low halves of its words, 4-7 the high halves.
const DROPOUT_LOW_LANES = vec4<u32>(1u, 2u, 4u, 8u);
const DROPOUT_HIGH_LANES = vec4<u32>(16u, 32u, 64u, 128u);

fn dropout_join_lanes(low: vec4<bool>, high: vec4<bool>) -> u32 {
    let lanes = select(vec4<u32>(0u), DROPOUT_LOW_LANES, low) | select(vec4<u32>(0u), DROPOUT_HIGH_LANES, high);
    return lanes.x | lanes.y | lanes.z | lanes.w;
}

fn dropout_add_64(a: vec2<u32>, b: u32) -> vec2<u32> {
    let low = a.x + b;
    return vec2<u32>(low, a.y + select(0u, 1u, low < b));
}

fn dropout_keep_block(rule: DropoutKeepRule, group: vec2<u32>, part: u32) -> vec4<u32> {
    return dropout_random_block(rule.seed, rule.stream, group, part, DROPOUT_KEEP_DOMAIN);
}
