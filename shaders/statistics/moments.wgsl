// Mean and sum of squared deviations of samples, added to accumulators: an invocation handles one element of all samples,
// and neighbouring invocations have neighbouring ones. Samples are taken relative to one number, the mean so far or the
// first sample, so that a large mean costs no digits of the deviations.
// needs: statistics/accumulation, value

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
    let first = parameters.accumulation.input_offset + element;
    let mean_at = parameters.accumulation.first_offset + element;
    let m2_at = parameters.accumulation.second_offset + element;
    var origin = input_value(first);
    var m2 = 0.0;
    // What the accumulators hold before the first sample is not looked at.
    if parameters.accumulation.earlier > 0.0 {
        origin = bitcast<f32>(mean_word(mean_at));
        m2 = bitcast<f32>(m2_word(m2_at));
    }
    // Welford's recurrence.
    var mean = 0.0;
    var squares = 0.0;
    for (var sample = 0u; sample < parameters.accumulation.samples; sample++) {
        let x = input_value(first + sample * parameters.accumulation.stride) - origin;
        let delta = x - mean;
        mean += delta / f32(sample + 1u);
        squares += delta * (x - mean);
    }
    // Chan's merging of the two: their means are `mean` apart.
    store_mean_word(mean_at, bitcast<u32>(origin + mean * parameters.accumulation.weight));
    store_m2_word(m2_at, bitcast<u32>(m2 + (squares + mean * mean * parameters.accumulation.other_weight)));
}
