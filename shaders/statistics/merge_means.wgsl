// Means of two sets of samples, merged.
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
    let at = parameters.accumulation.first_offset + element;
    var mean = bitcast<f32>(other_mean_word(parameters.accumulation.second_offset + element));
    if parameters.accumulation.earlier > 0.0 {
        let before = bitcast<f32>(mean_word(at));
        mean = before + (mean - before) * parameters.accumulation.weight;
    }
    store_mean_word(at, bitcast<u32>(mean));
}
