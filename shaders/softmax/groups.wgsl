// Decisions by whole groups of eight, which an invocation makes for itself.
// needs: softmax/rows, decision

// Nothing is decided beforehand.
alias TileKeep = u32;

fn decide_tile(row: Row, tile: u32, invocation: u32) -> TileKeep {
    return 0u;
}

fn kept_of_unit(row: Row, tile: u32, keep: TileKeep, invocation: u32, unit: u32) -> Kept {
    let fates = decide_group((row.first + unit_position(tile, invocation % LANES, unit)) / 8u, invocation);
    return kept_lanes(kept_first(fates), kept_last(fates));
}
