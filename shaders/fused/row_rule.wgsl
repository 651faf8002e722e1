// Row keep: whole rows are kept or dropped, by a key that differs from the elements' in the same bits wherever that one lies.
// needs: key, random/keep_bits
// parameters: rows: Rows

struct Rows {
    seed: vec2<u32>,   // what the row keep's key differs by
    stream: vec2<u32>,
    start: vec2<u32>,  // index of the row of the dispatch's first element
    threshold: u32,
    scale: f32,
}

// Whether a row is kept, counted from that of the dispatch's first element.
fn keeps_row(row: u32) -> bool {
    var rule = keyed_rule();
    rule.seed ^= parameters.rows.seed;
    rule.stream ^= parameters.rows.stream;
    rule.threshold = parameters.rows.threshold;
    rule.scale = parameters.rows.scale;
    rule.start = dropout_add_64(parameters.rows.start, row);
    return dropout_keeps_one(rule);
}

fn row_scaled(x: vec4<f32>) -> vec4<f32> {
    return x * parameters.rows.scale;
}
