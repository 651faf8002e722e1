// Operation: inverted dropout scales what is kept.

const COPIES_BITS = false;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x * call.rule.scale;
}
