// Constants of any operation, from the buffer of the key and the rate: those of the mask's kind come one after the other.
// needs: key/rate_buffer
// parameters: key: KeyPosition

fn constant(number: u32) -> f32 {
    return bitcast<f32>(key_word(parameters.key.constants + number));
}

// For p = 0 nothing is computed, so that the bits of NaN and of subnormals stay.
fn copies_bits() -> bool {
    return keeps_all(keyed_rule());
}

fn constant_scale() -> f32 {
    return constant(0u);
}

fn constant_shift() -> f32 {
    return constant(1u);
}

fn constant_dropped() -> f32 {
    return constant(2u);
}

fn constant_sigma() -> f32 {
    return constant(0u);
}

fn constant_zero() -> u32 {
    return parameters.key.zero;
}
