// Input: ranges at multiples of 16 bytes, read four words at a time.

// The four words that lie so many units of 16 bytes after an element.
fn input_four_words(element: u32, quads: u32) -> vec4<u32> {
    return input_quad(element / (4u * ELEMENTS_PER_WORD) + quads);
}

fn input_one_word(element: u32) -> u32 {
    return input_word(element / ELEMENTS_PER_WORD);
}
