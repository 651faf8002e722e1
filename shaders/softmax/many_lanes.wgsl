// A row to several invocations: sums go through workgroup memory.
// needs: softmax/rows

var<workgroup> shared_numbers: array<f32, WORKGROUP_SIZE>;

// All invocations of a workgroup walk over as many tiles: they wait for each other.
fn end_of_tiles(row_end: u32) -> u32 {
    // Where rows begin inside of a word, a position is before the first.
    return parameters.softmax.columns + select(PER_WORD - 1u, 0u, WHOLE);
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
