// No input.

fn input_word(i: u32) -> u32 {
    return 0u;
}

fn input_quad(i: u32) -> vec4<u32> {
    return vec4<u32>(0u);
}
