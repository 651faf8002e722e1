// A tensor of 16-bit floats, two a word: an element, and four neighbours of a row, of which those past its end are 0. The
// name stands for each of a kernel's tensors.
// needs: format

fn tensor_element(at: u32) -> f32 {
    return widen_low(vec4<u32>(tensor_word(at / 2u) >> (at % 2u * 16u))).x;
}

fn tensor_vec4(at: u32, left: u32) -> vec4<f32> {
    let word = at / 2u;
    var words = vec2<u32>(tensor_word(word), tensor_word(word + 1u));
    if !WHOLE_WORDS {
        let next = tensor_word(word + 2u);
        let shifted = (words >> vec2<u32>(16u)) | (vec2<u32>(words.y, next) << vec2<u32>(16u));
        words = select(words, shifted, at % 2u == 1u);
    }
    let low = widen_low(words.xyxy);
    let high = widen_high(words.xyxy);
    return select(vec4<f32>(0.0), vec4<f32>(low.x, high.x, low.y, high.y), vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left));
}
