// Mean and sum of squared deviations of samples, added to accumulators: an invocation handles UNITS neighbouring units of all samples,
// and neighbouring invocations have neighbouring ones. Samples are taken relative to one number, the mean so far or the first sample,
// so that a large mean costs no digits of the deviations.
// needs: statistics/accumulation, unit

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    parameters = given;
    let unit = UNITS * invocation_number(workgroup, workgroups, invocation);
    if unit >= parameters.accumulation.count / UNIT {
        return;
    }
    let first = parameters.accumulation.input_offset / UNIT + unit;
    let stride = parameters.accumulation.stride / UNIT;
    let mean_at = parameters.accumulation.first_offset / UNIT + unit;
    let m2_at = parameters.accumulation.second_offset / UNIT + unit;
    var origin: array<Unit, UNITS>;
    var m2: array<Unit, UNITS>;
    for (var i = 0u; i < UNITS; i++) {
        // What the accumulators hold before the first sample is not looked at.
        if parameters.accumulation.earlier > 0.0 {
            origin[i] = mean_unit(mean_at + i);
            m2[i] = m2_unit(m2_at + i);
        } else {
            origin[i] = input_unit(first + i);
        }
    }
    // Welford's recurrence.
    var mean: array<Unit, UNITS>;
    var squares: array<Unit, UNITS>;
    for (var sample = 0u; sample < parameters.accumulation.samples; sample++) {
        let share = 1.0 / f32(sample + 1u);
        for (var i = 0u; i < UNITS; i++) {
            let x = input_unit(first + sample * stride + i) - origin[i];
            let delta = x - mean[i];
            mean[i] += delta * share;
            squares[i] += delta * (x - mean[i]);
        }
    }
    // Chan's merging of the two: their means are `mean` apart.
    for (var i = 0u; i < UNITS; i++) {
        store_mean_unit(mean_at + i, origin[i] + mean[i] * parameters.accumulation.weight);
        let of_means = mean[i] * mean[i] * parameters.accumulation.other_weight;
        store_m2_unit(m2_at + i, m2[i] + (squares[i] + of_means));
    }
}
