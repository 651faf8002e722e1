// Input: eight neighbouring f32 elements as numbers.
// needs: storage/eight_f32

fn input_eight(element: u32) -> Eight {
    if WHOLE {
        let quad = element / 4u;
        return Eight(bitcast<vec4<f32>>(input_quad(quad)), bitcast<vec4<f32>>(input_quad(quad + 1u)));
    }
    return Eight(input_four(element), input_four(element + 4u));
}

fn input_four(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(input_word(i), input_word(i + 1u), input_word(i + 2u), input_word(i + 3u)));
}
