// Operation: the bits unchanged. A multiplication by 1 would flush subnormals on some devices.

const COPIES_BITS = true;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x;
}
