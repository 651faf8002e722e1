// IEEE binary16, in the low half of a word, to and from f32 without the built-ins: WGSL leaves pack2x16float out of range, and subnormals, to the
// device. No step makes an f32 subnormal, and comparisons are signed because those are cheaper on CPUs.

fn widen_f16(half: vec4<u32>) -> vec4<f32> {
    let sign = (half & vec4<u32>(0x8000u)) << vec4<u32>(16u);
    let magnitude = bitcast<vec4<i32>>((half & vec4<u32>(0x7fffu)) << vec4<u32>(13u));
    // Move the exponent from bias 15 to bias 127.
    var bits = magnitude + vec4<i32>(112 << 23u);
    // The exponent of infinity and NaN is all ones.
    bits += select(vec4<i32>(0), vec4<i32>(112 << 23u), magnitude >= vec4<i32>(0x1f << 23u));
    // A subnormal has no leading one: take 2^-14 for it, and subtract that, which is exact.
    let subnormal = bitcast<vec4<f32>>(magnitude + vec4<i32>(113 << 23u)) - 0x1p-14f;
    bits = select(bits, bitcast<vec4<i32>>(subnormal), magnitude < vec4<i32>(1 << 23u));
    return bitcast<vec4<f32>>(sign | bitcast<vec4<u32>>(bits));
}

// Rounded to nearest even; overflow gives infinity, NaN stays NaN.
fn narrow_f16(x: vec4<f32>) -> vec4<u32> {
    let sign = (bitcast<vec4<u32>>(x) >> vec4<u32>(16u)) & vec4<u32>(0x8000u);
    let magnitude = bitcast<vec4<i32>>(x) & vec4<i32>(0x7fffffff);
    // Normal: move the exponent, drop 13 bits of the mantissa; a carry runs into the exponent, up to infinity.
    let even = (magnitude >> vec4<u32>(13u)) & vec4<i32>(1);
    let rounded = (magnitude + (vec4<i32>(0xfff - (112 << 23u)) + even)) >> vec4<u32>(13u);
    let normal = min(rounded, vec4<i32>(0x7c00));
    // Subnormal, below 2^-14: the last bit of a number from 1/2 on is worth 2^-24, so an addition rounds to it, to
    // nearest even like the multiplication before it.
    let subnormal = bitcast<vec4<i32>>(bitcast<vec4<f32>>(magnitude) + 0.5f) - vec4<i32>(126 << 23u);
    var half = select(normal, subnormal, magnitude < vec4<i32>(113 << 23u));
    half = select(half, vec4<i32>(0x7e00), magnitude > vec4<i32>(0x7f800000));
    return sign | bitcast<vec4<u32>>(half);
}
