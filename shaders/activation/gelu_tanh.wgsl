// Activation: the approximation of gelu by a hyperbolic tangent (Hendrycks and Gimpel 2016). (1 + tanh u)/2 is the logistic
// function of 2 u, which does not cancel where u is negative.
// needs: activation/sigmoid

const SLOPE = 1.5957691216; // 2 sqrt(2/pi)
const CUBIC = 0.044715;

fn activate(v: vec4<f32>) -> vec4<f32> {
    return v * sigmoid(SLOPE * v * (1.0 + CUBIC * v * v)).value;
}

fn activate_backward(v: vec4<f32>, gradient: vec4<f32>) -> vec4<f32> {
    // Bounded, so that no infinity meets the zero that far out everything else is.
    let square = min(v * v, vec4<f32>(1e6));
    let s = sigmoid(SLOPE * v * (1.0 + CUBIC * square));
    let slope = SLOPE * (1.0 + (3.0 * CUBIC) * square);
    // 1 - s is e^-2u s, without a cancellation.
    // The zero comes first: of the largest numbers v and the slope would be an infinity together.
    return gradient * (s.value * (1.0 + slope * (v * (s.exponential * s.value))));
}
