// A fused pass on f32 elements, one a word.
// needs: fusing

const ELEMENTS_PER_WORD = 1u;

// The elements of four words: those of their low halves, or of all of them, and those of their high halves.
struct Values {
    low: vec4<f32>,
    high: vec4<f32>,
}

// On four words, where bit i of `keep` belongs to element i.
fn fuse_values(words: vec4<u32>, other: vec4<u32>, bias: vec4<u32>, keep: u32) -> Values {
    let kept = (vec4<u32>(keep) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
    let result = fuse(bitcast<vec4<f32>>(words), bitcast<vec4<f32>>(other), bitcast<vec4<f32>>(bias), kept);
    return Values(result, vec4<f32>(0.0));
}

fn words_of(values: Values) -> vec4<u32> {
    return bitcast<vec4<u32>>(values.low);
}
