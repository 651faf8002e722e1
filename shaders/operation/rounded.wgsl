// A product, rounded by itself. WGSL lets compilers fuse a multiplication and an addition, which rounds once where the format
// rounds twice, and nothing in the language forbids it. An exclusive-or with a number that only the host knows to be zero
// comes between the two.

fn rounded(product: vec4<f32>, zero: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(product) ^ vec4<u32>(zero));
}
