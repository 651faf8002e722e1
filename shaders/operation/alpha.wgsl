// Operation: alpha dropout maps what is kept, and what is dropped is a value of its own.
// needs: operation/rounded, constants

const SELECTS_BITS = false;
const DROPS_TO_ZERO = false;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return rounded(x * constant_scale(), constant_zero()) + constant_shift();
}

fn dropped() -> f32 {
    return constant_dropped();
}
