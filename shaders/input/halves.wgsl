// Input: ranges of 16-bit elements from the upper half of a word on.

fn input_one_word(element: u32) -> u32 {
    let word = element / 2u;
    return (input_word(word) >> 16u) | (input_word(word + 1u) << 16u);
}

fn input_four_words(element: u32, quads: u32) -> vec4<u32> {
    let first = element + 8u * quads;
    return vec4<u32>(
        input_one_word(first), input_one_word(first + 2u), input_one_word(first + 4u), input_one_word(first + 6u),
    );
}
