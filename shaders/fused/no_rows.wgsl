// Row keep: none.

fn row_bits(position: u32) -> u32 {
    return 0xffffffffu;
}

fn keeps_row(row: u32) -> bool {
    return true;
}

fn row_scaled(x: vec4<f32>) -> vec4<f32> {
    return x;
}
