// Activation: silu, v times the logistic function at v.
// needs: activation/sigmoid

fn activate(v: vec4<f32>) -> vec4<f32> {
    return v * sigmoid(v).value;
}

fn activate_backward(v: vec4<f32>, gradient: vec4<f32>) -> vec4<f32> {
    let s = sigmoid(v);
    // 1 - s is e^-v s, without a cancellation.
    return gradient * (s.value * (1.0 + v * (s.exponential * s.value)));
}
