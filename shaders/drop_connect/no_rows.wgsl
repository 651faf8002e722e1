// Every weight is kept.

fn weight_scale() -> f32 {
    return 1.0;
}

struct RowBits {
    bits: u32,
    carried: u32,
}

fn next_of_row(strides: vec4<u32>, row: vec2<u32>, step: u32, carried: u32) -> RowBits {
    return RowBits(0xffffffffu, 0u);
}

fn part_of_row(strides: vec4<u32>, row: vec2<u32>, element: u32) -> u32 {
    return 0xffffffffu;
}
