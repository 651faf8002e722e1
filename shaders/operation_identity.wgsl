// Operation: the bits unchanged. A multiplication by 1 would flush subnormals on some devices.

fn apply(x: vec4<u32>, keep: vec4<bool>) -> vec4<u32> {
    return x;
}
