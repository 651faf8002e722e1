// A fused pass, forward, on four elements: bias, activation, dropout, row keep and residual, each step rounded by itself.
// needs: activation, scaled, row_keep, fused/columns, operation/rounded

fn fuse(x: vec4<f32>, residual: vec4<f32>, bias: vec4<f32>, kept: vec4<bool>) -> vec4<f32> {
    var v = x;
    if HAS_BIAS {
        v += bias;
    }
    let e = row_scaled(scaled(activate(v)));
    // On integers, so that NaN or infinity in what is dropped does not leak.
    let selected = bitcast<vec4<f32>>(select(vec4<u32>(0u), bitcast<vec4<u32>>(e), kept));
    if TAKES_OTHER {
        return residual + rounded(selected, hidden_zero());
    }
    return selected;
}
