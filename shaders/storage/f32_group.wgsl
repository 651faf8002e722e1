// Eight neighbouring f32 elements: two units of 16 bytes.
// needs: storage

struct Group {
    first: vec4<u32>,
    last: vec4<u32>,
}

// Group `number` from an element on that is at a multiple of 16 bytes.
fn load_group(first: u32, number: u32) -> Group {
    let quad = first / 4u + 2u * number;
    return Group(input_quad(quad), input_quad(quad + 1u));
}

fn apply_group(x: Group, first_kept: vec4<bool>, last_kept: vec4<bool>) -> Group {
    return Group(apply_kept(x.first, first_kept), apply_kept(x.last, last_kept));
}

fn store_group(first: u32, number: u32, x: Group) {
    let quad = first / 4u + 2u * number;
    store_output_quad(quad, x.first);
    store_output_quad(quad + 1u, x.last);
}
