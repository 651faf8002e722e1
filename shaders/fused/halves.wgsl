// A fused pass on 16-bit floats, two a word, rounded once at the end.
// needs: fusing, format

const ELEMENTS_PER_WORD = 2u;

// The elements of four words: those of their low halves and those of their high halves.
struct Values {
    low: vec4<f32>,
    high: vec4<f32>,
}

// On four words, where bit i of `keep` belongs to element i: the low half of a word is before its high half.
fn fuse_values(words: vec4<u32>, other: vec4<u32>, bias: vec4<u32>, keep: u32) -> Values {
    let low_kept = (vec4<u32>(keep) & vec4<u32>(1u, 4u, 16u, 64u)) != vec4<u32>(0u);
    let high_kept = (vec4<u32>(keep) & vec4<u32>(2u, 8u, 32u, 128u)) != vec4<u32>(0u);
    let low = fuse(widen_low(words), widen_low(other), widen_low(bias), low_kept);
    let high = fuse(widen_high(words), widen_high(other), widen_high(bias), high_kept);
    return Values(low, high);
}

fn words_of(values: Values) -> vec4<u32> {
    let all = vec4<bool>(true);
    return narrow_kept(values.low, values.high, all, all);
}
