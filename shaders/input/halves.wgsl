// Input: ranges of 16-bit elements from the upper half of a word on.

fn input_one_word(element: u32) -> u32 {
    let word = element / 2u;
    return (input_word(word) >> 16u) | (input_word(word + 1u) << 16u);
}

fn input_four_words(element: u32) -> vec4<u32> {
    return vec4<u32>(
        input_one_word(element), input_one_word(element + 2u), input_one_word(element + 4u), input_one_word(element + 6u),
    );
}
