// Units of four neighbouring elements, which begin at multiples of four.
// needs: four_values

alias Unit = vec4<f32>;

const UNIT = 4u;

fn input_unit(i: u32) -> Unit {
    return input_four(i);
}

fn mean_unit(i: u32) -> Unit {
    return bitcast<vec4<f32>>(mean_quad(i));
}

fn store_mean_unit(i: u32, x: Unit) {
    store_mean_quad(i, bitcast<vec4<u32>>(x));
}

fn m2_unit(i: u32) -> Unit {
    return bitcast<vec4<f32>>(m2_quad(i));
}

fn store_m2_unit(i: u32, x: Unit) {
    store_m2_quad(i, bitcast<vec4<u32>>(x));
}
