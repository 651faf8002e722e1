// The variance: sums of squared deviations over the number of samples.
// needs: statistics/accumulation

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let element = invocation_number(workgroup, workgroups, invocation);
    if element >= parameters.accumulation.count {
        return;
    }
    let m2 = bitcast<f32>(input_word(parameters.accumulation.input_offset + element));
    let to = parameters.accumulation.first_offset + element;
    store_output_word(to, bitcast<u32>(m2 * parameters.accumulation.weight));
}
