// Input: ranges at multiples of 16 bytes, read four words at a time.

fn input_four_words(element: u32) -> vec4<u32> {
    return input_quad(element / (4u * ELEMENTS_PER_WORD));
}

fn input_one_word(element: u32) -> u32 {
    return input_word(element / ELEMENTS_PER_WORD);
}
