// Mean probabilities and mean entropy of samples of class logits, for few classes: an invocation handles one row, or two, of all
// samples, whose classes stay in registers, two to a vector: wider ones would have more lanes without a class.
// needs: statistics/accumulation, statistics/softmax, class_rows

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    parameters = given;
    let row = ROWS * invocation_number(workgroup, workgroups, invocation);
    if row >= parameters.accumulation.count {
        return;
    }
    let classes = parameters.accumulation.classes;
    let probability_at = parameters.accumulation.first_offset + row * classes;
    let entropy_at = parameters.accumulation.second_offset + row;
    let last_is_whole = classes == 2u * PAIRS;
    var mean: Pairs;
    var mean_entropy: array<f32, ROWS>;
    if parameters.accumulation.earlier > 0.0 {
        mean = probability_rows(probability_at);
        for (var r = 0u; r < ROWS; r++) {
            mean_entropy[r] = bitcast<f32>(entropy_word(entropy_at + r));
        }
    }
    for (var sample = 0u; sample < parameters.accumulation.samples; sample++) {
        // The running mean: what is new counts as one of so many.
        let weight = 1.0 / (parameters.accumulation.earlier + f32(sample + 1u));
        let first = parameters.accumulation.input_offset + sample * parameters.accumulation.stride + row * classes;
        var x = input_rows(first);
        for (var r = 0u; r < ROWS; r++) {
            let begin = r * PAIRS;
            var most = vec2<f32>(LEAST);
            for (var pair = 0u; pair < PAIRS; pair++) {
                most = max(most, x[begin + pair]);
            }
            let largest = max(most.x, most.y);
            var sums = vec2<f32>(0.0);
            var weighted = vec2<f32>(0.0);
            for (var pair = 0u; pair < PAIRS; pair++) {
                let y = below_pair(x[begin + pair], largest);
                var e = exp(y);
                if pair == PAIRS - 1u {
                    e.y = select(0.0, e.y, last_is_whole);
                }
                sums += e;
                weighted += e * y;
                x[begin + pair] = e;
            }
            let sum = sums.x + sums.y;
            let inverse = 1.0 / sum;
            let entropy = log(sum) - (weighted.x + weighted.y) * inverse;
            for (var pair = 0u; pair < PAIRS; pair++) {
                mean[begin + pair] += (x[begin + pair] * inverse - mean[begin + pair]) * weight;
            }
            mean_entropy[r] += (entropy - mean_entropy[r]) * weight;
        }
    }
    store_probability_rows(probability_at, mean);
    for (var r = 0u; r < ROWS; r++) {
        store_entropy_word(entropy_at + r, bitcast<u32>(mean_entropy[r]));
    }
}
