// bfloat16, the upper half of an f32, to and from f32 in integer arithmetic.

fn widen_low(words: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(words << vec4<u32>(16u));
}

fn widen_high(words: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(words & vec4<u32>(0xffff0000u));
}

// Rounded to nearest even, in the upper half of a word; a carry runs into the exponent, up to infinity. The result of an
// operation on NaN is a quiet one, whose highest bit of the mantissa stays; those that a carry would run out of, to a
// zero, are made smaller first: of the negative ones as unsigned numbers, of the positive ones as signed numbers.
fn round_bf16(x: vec4<f32>) -> vec4<u32> {
    let negative = min(bitcast<vec4<u32>>(x), vec4<u32>(0xffff0000u));
    let bits = bitcast<vec4<u32>>(min(bitcast<vec4<i32>>(negative), vec4<i32>(0x7fff0000)));
    let even = (bits >> vec4<u32>(16u)) & vec4<u32>(1u);
    return bits + (vec4<u32>(0x7fffu) + even);
}

fn narrow_kept(low: vec4<f32>, high: vec4<f32>, low_kept: vec4<bool>, high_kept: vec4<bool>) -> vec4<u32> {
    let kept_low = bitcast<vec4<f32>>(select(vec4<u32>(0u), bitcast<vec4<u32>>(low), low_kept));
    let kept_high = bitcast<vec4<f32>>(select(vec4<u32>(0u), bitcast<vec4<u32>>(high), high_kept));
    return (round_bf16(kept_low) >> vec4<u32>(16u)) | (round_bf16(kept_high) & vec4<u32>(0xffff0000u));
}
