// Decision: the keep rule for a contiguous view. Needs key_parameter.wgsl or key_buffer.wgsl.

fn decide(position: u32) -> u32 {
    return keep_bits(keyed_rule(), position);
}
