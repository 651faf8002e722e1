// Decision: the keep rule for a contiguous view.

fn decide(position: u32) -> u32 {
    return keep_bits(call.rule, position);
}
