// A tensor of f32: an element, and four neighbours of a row, of which those past its end are 0. The name stands for each
// of a kernel's tensors.

fn tensor_element(at: u32) -> f32 {
    return bitcast<f32>(tensor_word(at));
}

fn tensor_vec4(at: u32, left: u32) -> vec4<f32> {
    if QUADS {
        return bitcast<vec4<f32>>(tensor_quad(at / 4u));
    }
    let words = vec4<u32>(tensor_word(at), tensor_word(at + 1u), tensor_word(at + 2u), tensor_word(at + 3u));
    return bitcast<vec4<f32>>(select(vec4<u32>(0u), words, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left)));
}
