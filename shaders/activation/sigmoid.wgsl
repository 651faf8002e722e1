// The logistic function 1/(1 + e^-a), and the exponential in it.

struct Sigmoid {
    exponential: vec4<f32>, // e^-a, where that is not too large
    value: vec4<f32>,
}

fn sigmoid(a: vec4<f32>) -> Sigmoid {
    let exponential = exp(-a);
    // So far out it is 0: devices differ in how large their exponentials become.
    let is_far = a < vec4<f32>(-60.0);
    let value = select(1.0 / (1.0 + exponential), vec4<f32>(0.0), is_far);
    return Sigmoid(select(exponential, vec4<f32>(0.0), is_far), value);
}
