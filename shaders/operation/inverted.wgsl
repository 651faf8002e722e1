// Operation: inverted dropout scales what is kept.
// parameters: scaling: Scaling

struct Scaling {
    scale: f32,
    unused_0: u32,
    unused: vec2<u32>,
}

const COPIES_BITS = false;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x * parameters.scaling.scale;
}
