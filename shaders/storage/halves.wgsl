// Storage: 16-bit floats, two elements per word.
// needs: operation, format

const ELEMENTS_PER_WORD = 2u;
const LOW = vec4<u32>(0xffffu);
const HIGH = vec4<u32>(0xffff0000u);

// As in storage/f32.wgsl. Element 2 i is the low half of word i, element 2 i + 1 the high half.
fn apply_kept(words: vec4<u32>, low_kept: vec4<bool>, high_kept: vec4<bool>) -> vec4<u32> {
    if copies_bits() {
        return words;
    }
    if SELECTS_BITS {
        return select(vec4<u32>(0u), words & LOW, low_kept) | select(vec4<u32>(0u), words & HIGH, high_kept);
    }
    let low = operate(widen_low(words));
    let high = operate(widen_high(words));
    if DROPS_TO_ZERO {
        return narrow_kept(low, high, low_kept, high_kept);
    }
    let other = vec4<u32>(bitcast<u32>(dropped()));
    let all = vec4<bool>(true);
    return narrow_kept(
        bitcast<vec4<f32>>(select(other, bitcast<vec4<u32>>(low), low_kept)),
        bitcast<vec4<f32>>(select(other, bitcast<vec4<u32>>(high), high_kept)),
        all, all,
    );
}

fn apply_word(word: u32, keep: u32, bit: u32) -> u32 {
    if copies_bits() {
        return word;
    }
    let low_kept = bitcast<u32>(extractBits(bitcast<i32>(keep), bit, 1u));
    let high_kept = bitcast<u32>(extractBits(bitcast<i32>(keep), bit + 1u, 1u));
    if SELECTS_BITS {
        return word & ((low_kept & 0xffffu) | (high_kept & 0xffff0000u));
    }
    var low = bitcast<u32>(operate(widen_low(vec4<u32>(word))).x) & low_kept;
    var high = bitcast<u32>(operate(widen_high(vec4<u32>(word))).x) & high_kept;
    if !DROPS_TO_ZERO {
        low |= bitcast<u32>(dropped()) & ~low_kept;
        high |= bitcast<u32>(dropped()) & ~high_kept;
    }
    let all = vec4<bool>(true);
    return narrow_kept(vec4<f32>(bitcast<f32>(low)), vec4<f32>(bitcast<f32>(high)), all, all).x;
}

fn apply(words: vec4<u32>, keep: u32) -> vec4<u32> {
    let low_kept = (vec4<u32>(keep) & vec4<u32>(1u, 4u, 16u, 64u)) != vec4<u32>(0u);
    let high_kept = (vec4<u32>(keep) & vec4<u32>(2u, 8u, 32u, 128u)) != vec4<u32>(0u);
    return apply_kept(words, low_kept, high_kept);
}

fn choose(words: vec4<u32>, other: vec4<u32>, keep: u32) -> vec4<u32> {
    let low_kept = (vec4<u32>(keep) & vec4<u32>(1u, 4u, 16u, 64u)) != vec4<u32>(0u);
    let high_kept = (vec4<u32>(keep) & vec4<u32>(2u, 8u, 32u, 128u)) != vec4<u32>(0u);
    return select(other & LOW, words & LOW, low_kept) | select(other & HIGH, words & HIGH, high_kept);
}
