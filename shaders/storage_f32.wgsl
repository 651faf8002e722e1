// Storage: f32, an element a word. Needs an operation.

const ELEMENTS_PER_WORD = 1u;

// The operation on the elements of four words; bit i of `keep` belongs to element i. A dropped element is +0, chosen
// on integers, so that NaN or infinity in it does not leak.
fn apply(words: vec4<u32>, keep: u32) -> vec4<u32> {
    if COPIES_BITS {
        return words;
    }
    let kept = (vec4<u32>(keep) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
    return select(vec4<u32>(0u), bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(words))), kept);
}
