// Activation: none.

fn activate(v: vec4<f32>) -> vec4<f32> {
    return v;
}

fn activate_backward(v: vec4<f32>, gradient: vec4<f32>) -> vec4<f32> {
    return gradient;
}
