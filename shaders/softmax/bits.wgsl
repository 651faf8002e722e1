// Decisions of a row to an invocation: 32 neighbouring ones at a time.
// needs: softmax/rows, decision

alias TileKeep = u32;

// The keep bits of a tile's positions.
fn decide_tile(row: Row, tile: u32, invocation: u32) -> TileKeep {
    // No decision comes before the row's first.
    if tile < row.lead {
        return decide_bits(row.first) << row.lead;
    }
    return decide_bits(row.first + tile - row.lead);
}

fn kept_of_unit(row: Row, tile: u32, keep: TileKeep, invocation: u32, unit: u32) -> Kept {
    return kept_bits(keep >> (8u * unit));
}
