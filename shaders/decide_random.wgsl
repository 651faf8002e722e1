// Decision: the keep rule along the row-major order of the data.

fn decide(element: u32) -> u32 {
    return keep_bits(call.rule, element);
}
