// Four elements of the input, of f32.

fn input_four(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(input_quad(i));
}
