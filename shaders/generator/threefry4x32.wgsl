// Threefry-4x32 with 20 rounds: four random words from a counter and a key of four words each.
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; names and constants as in Random123.

const THREEFRY_SKEIN_KS_PARITY32 = 0x1bd11bdau;

fn threefry_rotate_left(x: u32, distance: u32) -> u32 {
    return (x << distance) | (x >> (32u - distance));
}

// Two rounds: words (0, 1) and (2, 3) are mixed, then (0, 3) and (2, 1). `r` holds the four rotation distances.
fn threefry_double_round(x: vec4<u32>, r: vec4<u32>) -> vec4<u32> {
    var y = x;
    y.x += y.y;
    y.y = threefry_rotate_left(y.y, r.x) ^ y.x;
    y.z += y.w;
    y.w = threefry_rotate_left(y.w, r.y) ^ y.z;
    y.x += y.w;
    y.w = threefry_rotate_left(y.w, r.z) ^ y.x;
    y.z += y.y;
    y.y = threefry_rotate_left(y.y, r.w) ^ y.z;
    return y;
}

fn threefry4x32_20(counter: vec4<u32>, key: vec4<u32>) -> vec4<u32> {
    // The rotation distances R_32x4 of rounds 0-1, 2-3, 4-5 and 6-7; then they repeat.
    const R0 = vec4<u32>(10u, 26u, 11u, 21u);
    const R2 = vec4<u32>(13u, 27u, 23u, 5u);
    const R4 = vec4<u32>(6u, 20u, 17u, 11u);
    const R6 = vec4<u32>(25u, 10u, 18u, 20u);
    let parity = THREEFRY_SKEIN_KS_PARITY32 ^ key.x ^ key.y ^ key.z ^ key.w;
    var x = counter + key;
    x = threefry_double_round(threefry_double_round(x, R0), R2);
    x += vec4<u32>(key.y, key.z, key.w, parity + 1u);
    x = threefry_double_round(threefry_double_round(x, R4), R6);
    x += vec4<u32>(key.z, key.w, parity, key.x + 2u);
    x = threefry_double_round(threefry_double_round(x, R0), R2);
    x += vec4<u32>(key.w, parity, key.x, key.y + 3u);
    x = threefry_double_round(threefry_double_round(x, R4), R6);
    x += vec4<u32>(parity, key.x, key.y, key.z + 4u);
    x = threefry_double_round(threefry_double_round(x, R0), R2);
    return x + vec4<u32>(key.x, key.y, key.z, key.w + 5u);
}

// Four random words for a group of eight elements; what `part` and `domain` are, docs/format.md says.
fn dropout_random_block(seed: vec2<u32>, stream: vec2<u32>, group: vec2<u32>, part: u32, domain: u32) -> vec4<u32> {
    return threefry4x32_20(vec4<u32>(group, part, domain), vec4<u32>(seed, stream));
}
