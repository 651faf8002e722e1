// Operation: inverted dropout. A kept element is scaled, a dropped one is +0.
// The choice is made on integers, so that NaN or infinity in a dropped element does not leak.

fn apply(x: vec4<u32>, keep: vec4<bool>) -> vec4<u32> {
    return select(vec4<u32>(0u), bitcast<vec4<u32>>(bitcast<vec4<f32>>(x) * call.rule.scale), keep);
}
