// A row to an invocation: nothing is shared, and each ends where its row does.
// needs: softmax/rows, decision

// Where the loop over a row's tiles ends.
fn end_of_tiles(row_end: u32) -> u32 {
    return row_end;
}

// The keep bits of a tile's positions.
fn decide_tile(row: Row, tile: u32, invocation: u32) -> u32 {
    // No decision comes before the row's first.
    if tile < row.lead {
        return decide_bits(row.first) << row.lead;
    }
    return decide_bits(row.first + tile - row.lead);
}

fn keep_of_unit(keep: u32, invocation: u32, unit: u32) -> u32 {
    return keep >> (8u * unit);
}

fn row_greatest(x: f32, invocation: u32) -> f32 {
    return x;
}

fn row_total(x: f32, invocation: u32) -> f32 {
    return x;
}
