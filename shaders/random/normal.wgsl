// Normals, domain 1: one word of a random block each, through a table of the inverse distribution function and integer
// arithmetic, so that the bits are the same everywhere. docs/format.md is the format.
// needs: random/keep_rule

const DROPOUT_NORMAL_DOMAIN = 1u;

// The normals that four words give. No product passes 32 bits, and no difference is negative.
fn dropout_normals_of(words: vec4<u32>) -> vec4<f32> {
    let m = (words << vec4<u32>(1u)) | vec4<u32>(1u);
    let octave = countLeadingZeros(m);
    let n = m << octave;
    let entry = octave * 16u + ((n >> vec4<u32>(27u)) & vec4<u32>(15u));
    let first = dropout_normal_entry(entry.x);
    let second = dropout_normal_entry(entry.y);
    let third = dropout_normal_entry(entry.z);
    let fourth = dropout_normal_entry(entry.w);
    let a = vec4<u32>(first.x, second.x, third.x, fourth.x);
    let b_and_c = vec4<u32>(first.y, second.y, third.y, fourth.y);
    let x = (n >> vec4<u32>(11u)) & vec4<u32>(0xffffu);
    let slope = (b_and_c >> vec4<u32>(16u)) - ((x * (b_and_c & vec4<u32>(0xffffu))) >> vec4<u32>(16u));
    let z = bitcast<vec4<u32>>(vec4<f32>(a - ((x * slope) >> vec4<u32>(15u))) * 0x1p-21f);
    return bitcast<vec4<f32>>(z | (words & vec4<u32>(0x80000000u)));
}

// The random block of four indexes' normals. Indexes wrap at 2^64, so these groups at 2^62.
fn dropout_normal_block(rule: DropoutKeepRule, group: vec2<u32>) -> vec4<u32> {
    let wrapped = vec2<u32>(group.x, group.y & 0x3fffffffu);
    return dropout_random_block(rule.seed, rule.stream, wrapped, 0u, DROPOUT_NORMAL_DOMAIN);
}

fn dropout_normal_group(index: vec2<u32>) -> vec2<u32> {
    return vec2<u32>((index.x >> 2u) | (index.y << 30u), index.y >> 2u);
}
