// Decision: the keep rule for a view of rows: local element j has the logical index
// start + (column + j) / row_length * row_pitch + (column + j) % row_length.
// Needs key_parameter.wgsl or key_buffer.wgsl.

// a * b modulo 2^64, from products of 16-bit halves.
fn multiply_64(a: vec2<u32>, b: u32) -> vec2<u32> {
    let low = (a.x & 0xffffu) * (b & 0xffffu);
    let middle_1 = (a.x >> 16u) * (b & 0xffffu) + (low >> 16u);
    let middle_2 = (a.x & 0xffffu) * (b >> 16u) + (middle_1 & 0xffffu);
    let high = (a.x >> 16u) * (b >> 16u) + (middle_1 >> 16u) + (middle_2 >> 16u);
    return vec2<u32>(a.x * b, high + a.y * b);
}

fn decide(position: u32) -> u32 {
    let keyed = keyed_rule();
    var keep = 0u;
    // The run may begin before the range and touch several rows.
    var done = max(position, lead()) - position;
    while done < RUN {
        let element = call.column + position + done - lead();
        let row = element / call.row_length;
        let column = element % call.row_length;
        var rule = keyed;
        rule.start = add_64(rule.start, column);
        let offset = multiply_64(call.row_pitch, row);
        rule.start = add_64(rule.start, offset.x) + vec2<u32>(0u, offset.y);
        let count = min(RUN - done, call.row_length - column);
        keep |= (keep_bits(rule, 0u) & (0xffffffffu >> (RUN - count))) << done;
        done += count;
    }
    return keep;
}
