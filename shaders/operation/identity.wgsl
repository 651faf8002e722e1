// Operation: the bits unchanged. A multiplication by 1 would flush subnormals on some devices.

const COPIES_BITS = true;
const SELECTS_BITS = false;
const DROPS_TO_ZERO = true;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x;
}

fn dropped() -> f32 {
    return 0.0;
}
