// Stores of 16-bit floats, two a word: four neighbours, of which those are stored that are left in the row, where rows are
// whole words.
// needs: format

fn store_tensor_vec4(at: u32, x: vec4<f32>, left: u32) {
    let all = vec4<bool>(true);
    let words = narrow_kept(x.xzxz, x.ywyw, all, all);
    for (var i = 0u; i < min(left, 4u); i += 2u) {
        store_tensor_word((at + i) / 2u, words[i / 2u]);
    }
}

// Nothing: a sum that goes on with what is stored would be rounded twice.
fn stored_tensor_vec4(at: u32, left: u32) -> vec4<f32> {
    return vec4<f32>(0.0);
}
