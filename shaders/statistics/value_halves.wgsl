// A 16-bit float of the input, as an f32.
// needs: format

fn input_value(i: u32) -> f32 {
    let half = (input_word(i / 2u) >> (i % 2u * 16u)) & 0xffffu;
    return widen_low(vec4<u32>(half)).x;
}
