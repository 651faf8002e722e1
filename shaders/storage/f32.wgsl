// Storage: f32, one element per word.
// needs: operation

const ELEMENTS_PER_WORD = 1u;

// The operation on the elements of four words. A dropped element is chosen on integers, so that NaN or infinity in it does
// not leak.
fn apply_kept(words: vec4<u32>, kept: vec4<bool>) -> vec4<u32> {
    if copies_bits() {
        return words;
    }
    if SELECTS_BITS {
        return select(vec4<u32>(0u), words, kept);
    }
    return select(vec4<u32>(bitcast<u32>(dropped())), bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(words))), kept);
}

// The same for the element of one word, which bit `bit` of `keep` belongs to.
fn apply_word(word: u32, keep: u32, bit: u32) -> u32 {
    if copies_bits() {
        return word;
    }
    // All ones or all zeros.
    let kept = bitcast<u32>(extractBits(bitcast<i32>(keep), bit, 1u));
    if SELECTS_BITS {
        return word & kept;
    }
    let result = bitcast<vec4<u32>>(operate(bitcast<vec4<f32>>(vec4<u32>(word)))).x;
    if DROPS_TO_ZERO {
        return result & kept;
    }
    return select(bitcast<u32>(dropped()), result, kept != 0u);
}

// Which of four elements bits 0 to 3 keep.
fn kept_lanes(keep: u32) -> vec4<bool> {
    return (vec4<u32>(keep) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
}

// The operation on four words, where bit i of `keep` belongs to element i.
fn apply(words: vec4<u32>, keep: u32) -> vec4<u32> {
    return apply_kept(words, kept_lanes(keep));
}

// What is kept from these words, the rest from others.
fn choose(words: vec4<u32>, other: vec4<u32>, keep: u32) -> vec4<u32> {
    return select(other, words, kept_lanes(keep));
}
