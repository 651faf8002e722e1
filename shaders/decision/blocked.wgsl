// Decision: the keep rule for contiguous elements, 32 at a time, from any start.
// needs: key, random/keep_bits

fn decide_bits(position: u32) -> u32 {
    return dropout_keep_bits(keyed_rule(), position);
}
