// An f32 of the input.

fn input_value(i: u32) -> f32 {
    return bitcast<f32>(input_word(i));
}
