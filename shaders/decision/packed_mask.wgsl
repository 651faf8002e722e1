// Decision: a packed mask from the caller, bit j for element j.
// needs: kernel/elements
// parameters: packed_mask: PackedMask

alias Fates = u32;

struct PackedMask {
    first_bit: u32, // bits before that of the dispatch's first element in the binding
    unused_0: u32,
    unused: vec2<u32>,
}

// 32 bits from this one on.
fn packed_bits(bit: u32) -> u32 {
    let word = bit / 32u;
    let shift = bit % 32u;
    // Two shifts, because one by 32 is not defined.
    return (packed_mask_word(word) >> shift) | ((packed_mask_word(word + 1u) << (31u - shift)) << 1u);
}

fn decide_bits(position: u32) -> u32 {
    let first = parameters.packed_mask.first_bit;
    if position < lead() {
        return packed_bits(first) << lead();
    }
    return packed_bits(first + position - lead());
}

fn decide_group(number: u32, invocation: u32) -> Fates {
    return packed_bits(parameters.packed_mask.first_bit + number * 8u);
}

fn kept_first(fates: Fates) -> vec4<bool> {
    return (vec4<u32>(fates) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
}

fn kept_last(fates: Fates) -> vec4<bool> {
    return (vec4<u32>(fates) & vec4<u32>(16u, 32u, 64u, 128u)) != vec4<u32>(0u);
}
