// Units of one element.
// needs: value

alias Unit = f32;

const UNIT = 1u;

fn input_unit(i: u32) -> Unit {
    return input_value(i);
}

fn mean_unit(i: u32) -> Unit {
    return bitcast<f32>(mean_word(i));
}

fn store_mean_unit(i: u32, x: Unit) {
    store_mean_word(i, bitcast<u32>(x));
}

fn m2_unit(i: u32) -> Unit {
    return bitcast<f32>(m2_word(i));
}

fn store_m2_unit(i: u32, x: Unit) {
    store_m2_word(i, bitcast<u32>(x));
}
