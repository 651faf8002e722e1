// Operation: alpha dropout maps what is kept, and what is dropped is a value of its own.
// needs: operation/rounded
// parameters: alpha: Alpha

struct Alpha {
    scale: f32,
    shift: f32,
    dropped: f32,
    zero: u32,
}

const COPIES_BITS = false;
const SELECTS_BITS = false;
const DROPS_TO_ZERO = false;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return rounded(x * parameters.alpha.scale, parameters.alpha.zero) + parameters.alpha.shift;
}

fn dropped() -> f32 {
    return parameters.alpha.dropped;
}
