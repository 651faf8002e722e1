// A fused pass on f32 elements, one a word.
// needs: fusing

const ELEMENTS_PER_WORD = 1u;

// On four words, where bit i of `keep` belongs to element i.
fn fuse_words(words: vec4<u32>, other: vec4<u32>, bias: vec4<u32>, keep: u32) -> vec4<u32> {
    let kept = (vec4<u32>(keep) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
    let result = fuse(bitcast<vec4<f32>>(words), bitcast<vec4<f32>>(other), bitcast<vec4<f32>>(bias), kept);
    return bitcast<vec4<u32>>(result);
}
