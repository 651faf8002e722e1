// Operation: the bits unchanged. A multiplication by 1 would flush subnormals on some devices.

const SELECTS_BITS = false;
const DROPS_TO_ZERO = true;

fn copies_bits() -> bool {
    return true;
}

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x;
}

fn dropped() -> f32 {
    return 0.0;
}
