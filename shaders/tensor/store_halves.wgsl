// Stores of 16-bit floats, two a word: four neighbours, of which those are stored that are left in the row. Rows may begin
// inside of words, and two invocations have a half of one word each: each replaces its own.
// needs: format

fn store_tensor_vec4(at: u32, x: vec4<f32>, left: u32) {
    let all = vec4<bool>(true);
    let halves = narrow_kept(x, vec4<f32>(0.0), all, all);
    for (var i = 0u; i < min(left, 4u); i++) {
        let shift = (at + i) % 2u * 16u;
        merge_tensor_word((at + i) / 2u, 0xffffu << shift, halves[i] << shift);
    }
}

// Nothing: a sum that goes on with what is stored would be rounded twice.
fn stored_tensor_vec4(at: u32, left: u32) -> vec4<f32> {
    return vec4<f32>(0.0);
}
