// Input: ranges at whole words.

fn input_one_word(element: u32) -> u32 {
    return input_word(element / ELEMENTS_PER_WORD);
}

fn input_four_words(element: u32, quads: u32) -> vec4<u32> {
    let word = element / ELEMENTS_PER_WORD + 4u * quads;
    return vec4<u32>(input_word(word), input_word(word + 1u), input_word(word + 2u), input_word(word + 3u));
}
