// Philox-4x32 with 10 rounds: four random words from a counter of four words and a key of two.
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; names and constants as in Random123.

const PHILOX_M4x32_0 = 0xd2511f53u;
const PHILOX_M4x32_1 = 0xcd9e8d57u;
const PHILOX_W32 = vec2<u32>(0x9e3779b9u, 0xbb67ae85u);

// The high 32 bits of a 64-bit product. WGSL has neither 64-bit integers nor a multiply-high, so: 16-bit limbs.
// No sum below overflows: each is at most (2^16 - 1)^2 + 2 (2^16 - 1) = 2^32 - 1.
fn philox_multiply_high(a: u32, b: u32) -> u32 {
    let a_lo = a & 0xffffu;
    let a_hi = a >> 16u;
    let b_lo = b & 0xffffu;
    let b_hi = b >> 16u;
    let middle_1 = a_hi * b_lo + ((a_lo * b_lo) >> 16u);
    let middle_2 = a_lo * b_hi + (middle_1 & 0xffffu);
    return a_hi * b_hi + (middle_1 >> 16u) + (middle_2 >> 16u);
}

fn philox_round(x: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    return vec4<u32>(
        philox_multiply_high(PHILOX_M4x32_1, x.z) ^ x.y ^ key.x,
        PHILOX_M4x32_1 * x.z,
        philox_multiply_high(PHILOX_M4x32_0, x.x) ^ x.w ^ key.y,
        PHILOX_M4x32_0 * x.x,
    );
}

fn philox4x32_10(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var x = philox_round(counter, key);
    x = philox_round(x, key + PHILOX_W32);
    x = philox_round(x, key + 2u * PHILOX_W32);
    x = philox_round(x, key + 3u * PHILOX_W32);
    x = philox_round(x, key + 4u * PHILOX_W32);
    x = philox_round(x, key + 5u * PHILOX_W32);
    x = philox_round(x, key + 6u * PHILOX_W32);
    x = philox_round(x, key + 7u * PHILOX_W32);
    x = philox_round(x, key + 8u * PHILOX_W32);
    return philox_round(x, key + 9u * PHILOX_W32);
}

// Four random words for a group of eight elements; what `part` and `domain` are, docs/format.md says.
fn dropout_random_block(seed: vec2<u32>, stream: vec2<u32>, group: vec2<u32>, part: u32, domain: u32) -> vec4<u32> {
    return philox4x32_10(vec4<u32>(group.x, group.y | (part << 31u) | (domain << 24u), stream), seed);
}
