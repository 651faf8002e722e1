// Activation: gelu, v times the normal distribution function at v. That one's upper tail is a polynomial in 1/(1 + p z) times
// a Gaussian (Hastings 1955; Abramowitz and Stegun, 7.1.26, where it is twice as large: its error is at most 1.5e-7).

struct Tail {
    gaussian: vec4<f32>, // e^(-v^2/2)
    below: vec4<f32>,    // the distribution function at v
}

fn tail_of(v: vec4<f32>) -> Tail {
    let z = abs(v) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let polynomial = t * (0.127414796 + t * (-0.142248368 + t * (0.7107068705 + t * (-0.7265760135 + t * 0.5307027145))));
    // So far out it is 0: devices differ in how small their exponentials become, and v may be large.
    let gaussian = select(exp(-z * z), vec4<f32>(0.0), z > vec4<f32>(5.0));
    let tail = polynomial * gaussian;
    return Tail(gaussian, select(1.0 - tail, tail, v < vec4<f32>(0.0)));
}

fn activate(v: vec4<f32>) -> vec4<f32> {
    return v * tail_of(v).below;
}

fn activate_backward(v: vec4<f32>, gradient: vec4<f32>) -> vec4<f32> {
    let tail = tail_of(v);
    return gradient * (tail.below + v * (0.3989422804 * tail.gaussian));
}
