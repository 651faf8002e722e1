// Storage: 16-bit floats, two elements a word. Needs an operation, and widen and narrow of format_f16.wgsl or
// format_bf16.wgsl.

const ELEMENTS_PER_WORD = 2u;

// As in storage_f32.wgsl. Element 2 i is the low half of word i, element 2 i + 1 the high half.
fn apply(words: vec4<u32>, keep: u32) -> vec4<u32> {
    if COPIES_BITS {
        return words;
    }
    let low_kept = (vec4<u32>(keep) & vec4<u32>(1u, 4u, 16u, 64u)) != vec4<u32>(0u);
    let high_kept = (vec4<u32>(keep) & vec4<u32>(2u, 8u, 32u, 128u)) != vec4<u32>(0u);
    let low = narrow(operate(widen(words & vec4<u32>(0xffffu))));
    let high = narrow(operate(widen(words >> vec4<u32>(16u))));
    return select(vec4<u32>(0u), low, low_kept)
        | select(vec4<u32>(0u), high << vec4<u32>(16u), high_kept);
}
