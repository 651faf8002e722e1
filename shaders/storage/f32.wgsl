// Storage: f32, one element per word.
// needs: operation

const ELEMENTS_PER_WORD = 1u;

// The operation on the elements of four words. A dropped element is +0, chosen on integers, so that NaN or infinity in
// it does not leak.
fn apply_kept(words: vec4<u32>, kept: vec4<bool>) -> vec4<u32> {
    if COPIES_BITS {
        return words;
    }
    return select(vec4<u32>(0u), bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(words))), kept);
}

// The same for the element of one word, which bit `bit` of `keep` belongs to.
fn apply_word(word: u32, keep: u32, bit: u32) -> u32 {
    if COPIES_BITS {
        return word;
    }
    // All ones or all zeros.
    let kept = bitcast<u32>(extractBits(bitcast<i32>(keep), bit, 1u));
    return bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(vec4<u32>(word)))).x & kept;
}

// The same for four words, where bit i of `keep` belongs to element i.
fn apply(words: vec4<u32>, keep: u32) -> vec4<u32> {
    return apply_kept(words, (vec4<u32>(keep) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u));
}
