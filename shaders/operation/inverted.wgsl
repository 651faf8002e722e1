// Operation: inverted dropout scales what is kept.
// parameters: scaling: Scaling

struct Scaling {
    scale: f32,
    unused_0: u32,
    unused: vec2<u32>,
}

const COPIES_BITS = false;
const SELECTS_BITS = false;
const DROPS_TO_ZERO = true;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x * parameters.scaling.scale;
}

fn dropped() -> f32 {
    return 0.0;
}
