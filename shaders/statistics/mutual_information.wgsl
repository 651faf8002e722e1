// The expected entropy, which is the mean of the entropies, and the mutual information: what the predictive entropy is more
// than that, and never less than 0.
// needs: statistics/accumulation

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let row = invocation_number(workgroup, workgroups, invocation);
    if row >= parameters.accumulation.count {
        return;
    }
    let expected = bitcast<f32>(other_word(parameters.accumulation.other_offset + row));
    let predictive = bitcast<f32>(predictive_entropy_word(parameters.accumulation.first_offset + row));
    let difference = predictive - expected;
    let information = select(difference, 0.0, difference < 0.0);
    store_expected_entropy_word(parameters.accumulation.second_offset + row, bitcast<u32>(expected));
    store_mutual_information_word(parameters.accumulation.other_second_offset + row, bitcast<u32>(information));
}
