// Four elements of the input, 16-bit floats, as f32.
// needs: format

fn input_four(i: u32) -> vec4<f32> {
    let words = vec2<u32>(input_word(2u * i), input_word(2u * i + 1u));
    return widen_low(vec4<u32>(words.x, words.x >> 16u, words.y, words.y >> 16u));
}
