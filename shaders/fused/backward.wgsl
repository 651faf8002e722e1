// A fused pass, backward, on four elements: the gradient of x from that of the output, the steps in reverse.
// needs: activation, scaled, row_keep

fn fuse(gradient: vec4<f32>, x: vec4<f32>, bias: vec4<f32>, kept: vec4<bool>) -> vec4<f32> {
    var v = x;
    if HAS_BIAS {
        v += bias;
    }
    let dx = activate_backward(v, scaled(row_scaled(gradient)));
    // On integers, so that NaN or infinity in what is dropped does not leak.
    return bitcast<vec4<f32>>(select(vec4<u32>(0u), bitcast<vec4<u32>>(dx), kept));
}
