// Repeats: none.

fn first_repeat(workgroup: vec3<u32>) -> u32 {
    return 0u;
}

fn end_of_repeats(workgroup: vec3<u32>) -> u32 {
    return 1u;
}

fn elements_before(repeat: u32) -> u32 {
    return 0u;
}
