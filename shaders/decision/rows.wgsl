// Decision: the keep rule for rows: element j of the dispatch has the logical index
// start + (column + j) / row_length * row_pitch + (column + j) % row_length. The host sees to it that column + j fits.
// needs: kernel/elements, key, random/keep_bits
// parameters: rows: Rows

struct Rows {
    row_pitch: vec2<u32>, // elements from row to row
    row_length: u32,      // elements of a row
    column: u32,          // where in its row the first element lies
}

// a * b modulo 2^64, from products of 16-bit halves.
fn multiply_64(a: vec2<u32>, b: u32) -> vec2<u32> {
    let low = (a.x & 0xffffu) * (b & 0xffffu);
    let middle_1 = (a.x >> 16u) * (b & 0xffffu) + (low >> 16u);
    let middle_2 = (a.x & 0xffffu) * (b >> 16u) + (middle_1 & 0xffffu);
    let high = (a.x >> 16u) * (b >> 16u) + (middle_1 >> 16u) + (middle_2 >> 16u);
    return vec2<u32>(a.x * b, high + a.y * b);
}

fn decide_bits(position: u32) -> u32 {
    let keyed = keyed_rule();
    let row_length = parameters.rows.row_length;
    var keep = 0u;
    // The run may begin before the range and touch several rows.
    var done = max(position, lead()) - position;
    while done < RUN {
        let element = parameters.rows.column + position + done - lead();
        let row = element / row_length;
        let column = element % row_length;
        var rule = keyed;
        rule.start = dropout_add_64(rule.start, column);
        let offset = multiply_64(parameters.rows.row_pitch, row);
        rule.start = dropout_add_64(rule.start, offset.x) + vec2<u32>(0u, offset.y);
        let count = min(RUN - done, row_length - column);
        keep |= (dropout_keep_bits(rule, 0u) & (0xffffffffu >> (RUN - count))) << done;
        done += count;
    }
    return keep;
}
