// Decision: the keep rule for any strides.
// needs: kernel/elements, key, random/keep_bits, random/strides

fn decide_bits(position: u32) -> u32 {
    var rule = keyed_rule();
    let start = rule.start;
    var keep = 0u;
    // The run may begin before the range and touch several rows.
    var done = max(position, lead()) - position;
    while done < RUN {
        let place = place_of(start, position + done - lead());
        let count = min(RUN - done, place.left);
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
