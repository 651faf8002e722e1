// Activation: relu. It compares integers, which tell NaN from numbers on every device: as i32, -0 is the smallest, negative
// numbers go up to minus infinity, and NaN with a sign comes after it.

const NEGATIVE_ZERO = -2147483647i - 1i;
const MINUS_INFINITY = -8388608i;

// +0 for numbers below 0; -0 and NaN stay.
fn activate(v: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<i32>>(v);
    let is_negative = (bits > vec4<i32>(NEGATIVE_ZERO)) & (bits <= vec4<i32>(MINUS_INFINITY));
    return bitcast<vec4<f32>>(select(bits, vec4<i32>(0), is_negative));
}

// +0 for numbers up to 0; for NaN the gradient passes.
fn activate_backward(v: vec4<f32>, gradient: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<i32>>(v);
    let is_off = (bits <= vec4<i32>(MINUS_INFINITY)) | (bits == vec4<i32>(0));
    return bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(gradient), vec4<u32>(0u), is_off));
}
