// Operation: what is kept keeps its bits. What is dropped is +0, or that of another input where there is one.

const SELECTS_BITS = true;
const DROPS_TO_ZERO = true;

fn copies_bits() -> bool {
    return false;
}

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x;
}

fn dropped() -> f32 {
    return 0.0;
}
