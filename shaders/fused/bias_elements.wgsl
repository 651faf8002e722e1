// Bias: element by element, of any number of columns, from any of them on.
// needs: columns

// The bits of the elements of four columns.
fn bias_elements(column: vec4<u32>) -> vec4<u32> {
    let element = wrapped(column) + vec4<u32>(bias_offset());
    let word = element / vec4<u32>(ELEMENTS_PER_WORD);
    let words = vec4<u32>(bias_word(word.x), bias_word(word.y), bias_word(word.z), bias_word(word.w));
    if ELEMENTS_PER_WORD == 1u {
        return words;
    }
    return (words >> (element % vec4<u32>(2u) * vec4<u32>(16u))) & vec4<u32>(0xffffu);
}

fn bias_four_words(column: u32, quad: u32) -> vec4<u32> {
    let first = vec4<u32>(column + quad * 4u * ELEMENTS_PER_WORD);
    if ELEMENTS_PER_WORD == 1u {
        return bias_elements(first + vec4<u32>(0u, 1u, 2u, 3u));
    }
    let high = bias_elements(first + vec4<u32>(1u, 3u, 5u, 7u));
    return bias_elements(first + vec4<u32>(0u, 2u, 4u, 6u)) | (high << vec4<u32>(16u));
}

// The bits of one element.
fn bias_element(column: u32) -> u32 {
    return bias_elements(vec4<u32>(column)).x;
}
