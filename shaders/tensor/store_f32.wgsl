// Stores of f32: four neighbours, of which those are stored that are left in the row.

fn store_tensor_vec4(at: u32, x: vec4<f32>, left: u32) {
    for (var i = 0u; i < min(left, 4u); i++) {
        store_tensor_word(at + i, bitcast<u32>(x[i]));
    }
}

// What is stored there.
fn stored_tensor_vec4(at: u32, left: u32) -> vec4<f32> {
    var x = vec4<f32>(0.0);
    for (var i = 0u; i < min(left, 4u); i++) {
        x[i] = bitcast<f32>(tensor_word(at + i));
    }
    return x;
}
