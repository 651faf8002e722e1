// bfloat16, the upper half of an f32, to and from f32 in integer arithmetic, as storage/bf16.wgsl does it, with signed
// comparisons: those are cheaper on CPUs.

fn widen_low(words: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(words << vec4<u32>(16u));
}

fn widen_high(words: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(words & vec4<u32>(0xffff0000u));
}

// Rounded to nearest even, in the low half; a carry runs into the exponent, up to infinity. NaN stays NaN.
fn round_bf16(x: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(x);
    let even = (bits >> vec4<u32>(16u)) & vec4<u32>(1u);
    let rounded = (bits + (vec4<u32>(0x7fffu) + even)) >> vec4<u32>(16u);
    let is_nan = bitcast<vec4<i32>>(bits & vec4<u32>(0x7fffffffu)) > vec4<i32>(0x7f800000);
    return select(rounded, vec4<u32>(0x7fffu), is_nan);
}

fn narrow_kept(low: vec4<f32>, high: vec4<f32>, low_kept: vec4<bool>, high_kept: vec4<bool>) -> vec4<u32> {
    return select(vec4<u32>(0u), round_bf16(low), low_kept)
        | select(vec4<u32>(0u), round_bf16(high) << vec4<u32>(16u), high_kept);
}
