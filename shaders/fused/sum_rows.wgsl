// Sums of rows of f32, so many at a time, in order: an invocation adds up what is in a word of the output. Workgroups in y are
// sums of neighbouring rows.
// needs: sum_storage
// parameters: row_sums: RowSums

struct RowSums {
    columns: u32,       // of the dispatch
    pitch: u32,         // and elements from one row to the next, of the input and the output
    rows: u32,          // of the input
    each: u32,          // rows of a sum
    input_offset: u32,  // elements before the first in the input's binding
    output_offset: u32, // and in the output's
    adds: u32,          // whether sums go on from what the output holds, which is f32
    unused: u32,
}

fn sum_of(column: u32, block: u32, before: f32) -> f32 {
    let first = block * parameters.row_sums.each;
    let end = min(first + parameters.row_sums.each, parameters.row_sums.rows);
    var sum = before;
    for (var row = first; row < end; row++) {
        sum += bitcast<f32>(input_word(parameters.row_sums.input_offset + row * parameters.row_sums.pitch + column));
    }
    return sum;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    parameters = given;
    let block = workgroup.y;
    let first = parameters.row_sums.output_offset + block * parameters.row_sums.pitch;
    let lead = first % ELEMENTS_PER_WORD;
    let position = (workgroup.x * WORKGROUP_SIZE + invocation) * ELEMENTS_PER_WORD;
    let end = lead + parameters.row_sums.columns;
    if position >= end {
        return;
    }
    let word = (first - lead + position) / ELEMENTS_PER_WORD;
    if ELEMENTS_PER_WORD == 1u {
        let before = select(0.0, bitcast<f32>(output_word(word)), parameters.row_sums.adds != 0u);
        store_output_word(word, sum_word(sum_of(position, block, before), 0.0));
        return;
    }
    // Of a word that lies partly outside of the range, the other half keeps its bits.
    let has_low = position >= lead;
    let has_high = position + 1u < end;
    let low = sum_of(max(position, lead) - lead, block, 0.0);
    let high = sum_of(min(position + 1u, end - 1u) - lead, block, 0.0);
    let covered = select(0u, 0xffffu, has_low) | select(0u, 0xffff0000u, has_high);
    var result = sum_word(low, high);
    if covered != 0xffffffffu {
        result = (result & covered) | (output_word(word) & ~covered);
    }
    store_output_word(word, result);
}
