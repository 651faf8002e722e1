// Decisions of a row to several invocations, 32 neighbouring ones each: they go through workgroup memory.
// needs: softmax/rows, decision

alias TileKeep = u32;

var<workgroup> shared_bits: array<u32, WORKGROUP_SIZE>;

// The keep bits of a tile's positions, an invocation 32 neighbouring ones.
fn decide_tile(row: Row, tile: u32, invocation: u32) -> TileKeep {
    let run = tile + 32u * (invocation % LANES);
    // No decision comes before the row's first.
    let lead = select(0u, row.lead, run < row.lead);
    let keep = decide_bits(row.first + run + lead - row.lead) << lead;
    workgroupBarrier();
    shared_bits[invocation] = keep;
    workgroupBarrier();
    return 0u;
}

fn kept_of_unit(row: Row, tile: u32, keep: TileKeep, invocation: u32, unit: u32) -> Kept {
    let lane = invocation % LANES;
    let number = unit * LANES + lane;
    return kept_bits(shared_bits[invocation - lane + number / 4u] >> (8u * (number % 4u)));
}
