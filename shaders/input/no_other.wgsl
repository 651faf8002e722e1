// No other input.

fn other_word(i: u32) -> u32 {
    return 0u;
}

fn other_one_word(element: u32) -> u32 {
    return 0u;
}

fn other_four_words(element: u32, quads: u32) -> vec4<u32> {
    return vec4<u32>(0u);
}
