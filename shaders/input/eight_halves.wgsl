// Input: eight neighbouring 16-bit elements as numbers. They may begin one element before the range, which nobody looks at.
// needs: storage/eight_halves

fn input_eight(element: u32) -> Eight {
    if WHOLE {
        let words = input_quad(element / 8u);
        return Eight(widen_low(words), widen_high(words));
    }
    // One before the first element is one before the first word, and not 2^31 words after it.
    let i = bitcast<u32>(bitcast<i32>(element) >> 1u);
    let words = vec4<u32>(input_word(i), input_word(i + 1u), input_word(i + 2u), input_word(i + 3u));
    let next = vec4<u32>(words.yzw, input_word(i + 4u));
    let between = (words >> vec4<u32>(16u)) | (next << vec4<u32>(16u));
    let shifted = select(words, between, (element & 1u) != 0u);
    return Eight(widen_low(shifted), widen_high(shifted));
}
