// Decision: the keep rule for any strides, 32 elements at a time.
// needs: kernel/elements, key, random/keep_bits, random/strides

fn decide_bits(position: u32) -> u32 {
    var rule = keyed_rule();
    let start = rule.start;
    if DROPOUT_START_IS_ALIGNED {
        // Rows begin and end at multiples of 32 everywhere.
        rule.start = place_of(start, position).index;
        return dropout_keep_bits(rule, 0u);
    }
    var keep = 0u;
    // The run may begin before the range and touch several rows.
    var done = max(position, lead()) - position;
    while done < 32u {
        let place = place_of(start, position + done - lead());
        let count = min(32u - done, place.left);
        rule.start = place.index;
        var bits = 0u;
        if INNER_IS_DENSE {
            bits = dropout_keep_bits(rule, 0u);
        } else {
            bits = select(0u, 0xffffffffu, dropout_keeps_one(rule));
        }
        keep |= (bits & (0xffffffffu >> (32u - count))) << done;
        done += count;
    }
    return keep;
}
