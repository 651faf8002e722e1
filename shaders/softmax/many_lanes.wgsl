// A row to several invocations: sums and keep bits go through workgroup memory.
// needs: softmax/rows, decision

var<workgroup> shared_bits: array<u32, WORKGROUP_SIZE>;
var<workgroup> shared_numbers: array<f32, WORKGROUP_SIZE>;

// All invocations of a workgroup walk over as many tiles: they wait for each other.
fn end_of_tiles(row_end: u32) -> u32 {
    // Where rows begin inside of a word, a position is before the first.
    return parameters.softmax.columns + select(PER_WORD - 1u, 0u, WHOLE);
}

// The keep bits of a tile's positions, an invocation 32 neighbouring ones.
fn decide_tile(row: Row, tile: u32, invocation: u32) -> u32 {
    let run = tile + 32u * (invocation % LANES);
    // No decision comes before the row's first.
    let lead = select(0u, row.lead, run < row.lead);
    let keep = decide_bits(row.first + run + lead - row.lead) << lead;
    workgroupBarrier();
    shared_bits[invocation] = keep;
    workgroupBarrier();
    return 0u;
}

fn keep_of_unit(keep: u32, invocation: u32, unit: u32) -> u32 {
    let lane = invocation % LANES;
    let number = unit * LANES + lane;
    return shared_bits[invocation - lane + number / 4u] >> (8u * (number % 4u));
}

fn row_greatest(x: f32, invocation: u32) -> f32 {
    let lane = invocation % LANES;
    var most = x;
    for (var distance = LANES / 2u; distance > 0u; distance /= 2u) {
        workgroupBarrier();
        shared_numbers[invocation] = most;
        workgroupBarrier();
        most = max(most, shared_numbers[invocation - lane + (lane ^ distance)]);
    }
    return most;
}

fn row_total(x: f32, invocation: u32) -> f32 {
    let lane = invocation % LANES;
    var sum = x;
    for (var distance = LANES / 2u; distance > 0u; distance /= 2u) {
        workgroupBarrier();
        shared_numbers[invocation] = sum;
        workgroupBarrier();
        sum += shared_numbers[invocation - lane + (lane ^ distance)];
    }
    return sum;
}
