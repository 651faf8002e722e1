// Row keep: whole rows are kept or dropped, by a key that differs from the elements' in the same bits wherever that one lies.
// needs: key, kernel/elements, random/keep_bits, fused/columns
// parameters: rows: Rows

struct Rows {
    seed: vec2<u32>,   // what the row keep's key differs by
    stream: vec2<u32>,
    start: vec2<u32>,  // index of the row of the dispatch's first element
    threshold: u32,
    scale: f32,
}

// As many bits as there are of the elements from a position on. The run may begin before the range and touch several rows.
fn row_bits(position: u32) -> u32 {
    var rule = keyed_rule();
    rule.seed ^= parameters.rows.seed;
    rule.stream ^= parameters.rows.stream;
    rule.threshold = parameters.rows.threshold;
    rule.scale = parameters.rows.scale;
    var keep = 0u;
    var done = max(position, lead()) - position;
    while done < RUN {
        let element = position + done - lead();
        let count = min(RUN - done, parameters.columns.count - column_of(element));
        rule.start = dropout_add_64(parameters.rows.start, row_of(element));
        let bits = select(0u, 0xffffffffu, dropout_keeps_one(rule));
        keep |= (bits & (0xffffffffu >> (32u - count))) << done;
        done += count;
    }
    return keep;
}

fn row_scaled(x: vec4<f32>) -> vec4<f32> {
    return x * parameters.rows.scale;
}
