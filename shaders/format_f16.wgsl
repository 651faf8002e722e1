// IEEE binary16 to and from f32, in integer arithmetic: WGSL leaves pack2x16float out of range, and subnormals, to the
// device. No step makes an f32 subnormal.

fn widen(half: vec4<u32>) -> vec4<f32> {
    let sign = (half & vec4<u32>(0x8000u)) << vec4<u32>(16u);
    let magnitude = half & vec4<u32>(0x7fffu);
    // Move the exponent from bias 15 to bias 127; infinity and NaN keep all ones.
    let normal = (magnitude << vec4<u32>(13u)) + vec4<u32>(112u << 23u);
    let special = (magnitude << vec4<u32>(13u)) | vec4<u32>(0x7f800000u);
    // A subnormal is an integer times 2^-24.
    let subnormal = bitcast<vec4<u32>>(vec4<f32>(magnitude) * 0x1p-24f);
    var bits = select(normal, special, magnitude >= vec4<u32>(0x7c00u));
    bits = select(bits, subnormal, magnitude < vec4<u32>(0x0400u));
    return bitcast<vec4<f32>>(sign | bits);
}

// Rounded to nearest even; overflow gives infinity, NaN stays NaN.
fn narrow(x: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(x);
    let sign = (bits >> vec4<u32>(16u)) & vec4<u32>(0x8000u);
    let magnitude = bits & vec4<u32>(0x7fffffffu);
    // Normal: drop 13 bits of the mantissa; a carry runs into the exponent, up to infinity.
    let even = (magnitude >> vec4<u32>(13u)) & vec4<u32>(1u);
    let rounded = (magnitude + vec4<u32>(0xfffu) + even) >> vec4<u32>(13u);
    let normal = min(rounded - vec4<u32>(112u << 10u), vec4<u32>(0x7c00u));
    // Subnormal, below 2^-14: the mantissa with its leading one, shifted to units of 2^-24.
    let shift = min(vec4<u32>(126u) - min(magnitude >> vec4<u32>(23u), vec4<u32>(112u)), vec4<u32>(25u));
    let mantissa = (magnitude & vec4<u32>(0x7fffffu)) | vec4<u32>(0x800000u);
    let quotient = mantissa >> shift;
    let half_unit = vec4<u32>(1u) << (shift - vec4<u32>(1u));
    let rest = mantissa & ((half_unit << vec4<u32>(1u)) - vec4<u32>(1u));
    let up = (rest > half_unit) | ((rest == half_unit) & ((quotient & vec4<u32>(1u)) == vec4<u32>(1u)));
    let subnormal = quotient + select(vec4<u32>(0u), vec4<u32>(1u), up);
    var half = select(normal, subnormal, magnitude < vec4<u32>(113u << 23u));
    // The payload's upper bits, and the bit that makes it quiet.
    let nan = vec4<u32>(0x7e00u) | ((magnitude >> vec4<u32>(13u)) & vec4<u32>(0x3ffu));
    half = select(half, nan, magnitude > vec4<u32>(0x7f800000u));
    return sign | half;
}
