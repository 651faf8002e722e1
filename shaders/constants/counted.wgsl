// Constants of an operation that scales, from a buffer that has a count of two words and the scale after it.

fn copies_bits() -> bool {
    return false;
}

fn constant_scale() -> f32 {
    return bitcast<f32>(scale_word(2u));
}
