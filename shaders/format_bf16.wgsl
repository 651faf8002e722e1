// bfloat16, the upper half of an f32, to and from f32 in integer arithmetic.

fn widen(half: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(half << vec4<u32>(16u));
}

// Rounded to nearest even; a carry runs into the exponent, up to infinity. NaN stays NaN.
fn narrow(x: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(x);
    let even = (bits >> vec4<u32>(16u)) & vec4<u32>(1u);
    let rounded = (bits + (vec4<u32>(0x7fffu) + even)) >> vec4<u32>(16u);
    // A signed comparison, because those are cheaper on CPUs.
    let is_nan = bitcast<vec4<i32>>(bits & vec4<u32>(0x7fffffffu)) > vec4<i32>(0x7f800000);
    return select(rounded, vec4<u32>(0x7fffu), is_nan);
}
