// Eight neighbouring elements of 16 bits: one unit of 16 bytes.
// needs: storage

alias Group = vec4<u32>;

// Group `number` from an element on that is at a multiple of 16 bytes.
fn load_group(first: u32, number: u32) -> Group {
    return input_quad(first / 8u + number);
}

fn apply_group(x: Group, first_kept: vec4<bool>, last_kept: vec4<bool>) -> Group {
    let low_kept = vec4<bool>(first_kept.x, first_kept.z, last_kept.x, last_kept.z);
    let high_kept = vec4<bool>(first_kept.y, first_kept.w, last_kept.y, last_kept.w);
    return apply_kept(x, low_kept, high_kept);
}

fn store_group(first: u32, number: u32, x: Group) {
    store_output_quad(first / 8u + number, x);
}
