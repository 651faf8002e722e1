// Operation: inverted dropout scales what is kept.
// needs: constants

const SELECTS_BITS = false;
const DROPS_TO_ZERO = true;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x * constant_scale();
}

fn dropped() -> f32 {
    return 0.0;
}
