// Mean and sum of squared deviations of two sets of samples, merged as Chan et al. do.
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
    let mean_at = parameters.accumulation.first_offset + element;
    let m2_at = parameters.accumulation.second_offset + element;
    var mean = bitcast<f32>(other_mean_word(parameters.accumulation.other_offset + element));
    var m2 = bitcast<f32>(other_m2_word(parameters.accumulation.other_second_offset + element));
    if parameters.accumulation.earlier > 0.0 {
        let before = bitcast<f32>(mean_word(mean_at));
        let delta = mean - before;
        mean = before + delta * parameters.accumulation.weight;
        m2 = bitcast<f32>(m2_word(m2_at)) + (m2 + delta * delta * parameters.accumulation.other_weight);
    }
    store_mean_word(mean_at, bitcast<u32>(mean));
    store_m2_word(m2_at, bitcast<u32>(m2));
}
