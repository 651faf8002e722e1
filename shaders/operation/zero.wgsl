// Operation: +0, whatever the element was: p = 1.

const SELECTS_BITS = false;
const DROPS_TO_ZERO = true;

fn copies_bits() -> bool {
    return false;
}

fn operate(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(0.0);
}

fn dropped() -> f32 {
    return 0.0;
}
