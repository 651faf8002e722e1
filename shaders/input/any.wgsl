// Input: ranges at any element, each row at another place in a word.

fn input_one_word(element: u32) -> u32 {
    let word = element / ELEMENTS_PER_WORD;
    if ELEMENTS_PER_WORD == 1u {
        return input_word(word);
    }
    let shift = element % 2u * 16u;
    // Two shifts, because one by 32 is not defined.
    return (input_word(word) >> shift) | ((input_word(word + 1u) << (31u - shift)) << 1u);
}

fn input_four_words(element: u32, quads: u32) -> vec4<u32> {
    let first = element + 4u * ELEMENTS_PER_WORD * quads;
    return vec4<u32>(
        input_one_word(first), input_one_word(first + ELEMENTS_PER_WORD),
        input_one_word(first + 2u * ELEMENTS_PER_WORD), input_one_word(first + 3u * ELEMENTS_PER_WORD),
    );
}
