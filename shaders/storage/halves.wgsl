// Storage: 16-bit floats, two elements per word.
// needs: operation, format

const ELEMENTS_PER_WORD = 2u;

// As in storage/f32.wgsl. Element 2 i is the low half of word i, element 2 i + 1 the high half.
fn apply_kept(words: vec4<u32>, low_kept: vec4<bool>, high_kept: vec4<bool>) -> vec4<u32> {
    if COPIES_BITS {
        return words;
    }
    return narrow_kept(operate(widen_low(words)), operate(widen_high(words)), low_kept, high_kept);
}

fn apply_word(word: u32, keep: u32, bit: u32) -> u32 {
    if COPIES_BITS {
        return word;
    }
    let low_kept = bitcast<u32>(extractBits(bitcast<i32>(keep), bit, 1u));
    let high_kept = bitcast<u32>(extractBits(bitcast<i32>(keep), bit + 1u, 1u));
    let low = bitcast<u32>(operate(widen_low(vec4<u32>(word))).x) & low_kept;
    let high = bitcast<u32>(operate(widen_high(vec4<u32>(word))).x) & high_kept;
    let all = vec4<bool>(true);
    return narrow_kept(vec4<f32>(bitcast<f32>(low)), vec4<f32>(bitcast<f32>(high)), all, all).x;
}

fn apply(words: vec4<u32>, keep: u32) -> vec4<u32> {
    let low_kept = (vec4<u32>(keep) & vec4<u32>(1u, 4u, 16u, 64u)) != vec4<u32>(0u);
    let high_kept = (vec4<u32>(keep) & vec4<u32>(2u, 8u, 32u, 128u)) != vec4<u32>(0u);
    return apply_kept(words, low_kept, high_kept);
}
