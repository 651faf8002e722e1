// bfloat16, the upper half of an f32, to and from f32 in integer arithmetic.

fn widen(half: vec4<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(half << vec4<u32>(16u));
}

// Rounded to nearest even; a carry runs into the exponent, up to infinity. NaN stays NaN, made quiet.
fn narrow(x: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(x);
    let upper = bits >> vec4<u32>(16u);
    let rounded = (bits + vec4<u32>(0x7fffu) + (upper & vec4<u32>(1u))) >> vec4<u32>(16u);
    let is_nan = (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
    return select(rounded, upper | vec4<u32>(0x40u), is_nan);
}
