// Mean probabilities and mean entropy of samples of class logits, for few classes: an invocation handles one row of all
// samples, whose classes stay in registers, two to a vector: wider ones would have more lanes without a class.
// needs: statistics/accumulation, statistics/softmax, value

// The classes 2·pair and 2·pair + 1 of a row. Only the last pair may have but one class, which it has twice then.
fn logits(first: u32, pair: u32, to_last: u32) -> vec2<f32> {
    let at = first + 2u * pair;
    let step = select(1u, to_last, pair == PAIRS - 1u);
    return vec2<f32>(input_value(at), input_value(at + step));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    parameters = given;
    let row = invocation_number(workgroup, workgroups, invocation);
    if row >= parameters.accumulation.count {
        return;
    }
    let classes = parameters.accumulation.classes;
    let probability_at = parameters.accumulation.first_offset + row * classes;
    let entropy_at = parameters.accumulation.second_offset + row;
    let last_is_whole = classes == 2u * PAIRS;
    let to_last = select(0u, 1u, last_is_whole);
    var mean: array<vec2<f32>, PAIRS>;
    var mean_entropy = 0.0;
    if parameters.accumulation.earlier > 0.0 {
        for (var pair = 0u; pair < PAIRS; pair++) {
            for (var i = 0u; i < 2u; i++) {
                let class_i = 2u * pair + i;
                if class_i < classes {
                    mean[pair][i] = bitcast<f32>(probability_word(probability_at + class_i));
                }
            }
        }
        mean_entropy = bitcast<f32>(entropy_word(entropy_at));
    }
    for (var sample = 0u; sample < parameters.accumulation.samples; sample++) {
        let first = parameters.accumulation.input_offset + sample * parameters.accumulation.stride + row * classes;
        var x: array<vec2<f32>, PAIRS>;
        var most = vec2<f32>(LEAST);
        for (var pair = 0u; pair < PAIRS; pair++) {
            x[pair] = logits(first, pair, to_last);
            most = max(most, x[pair]);
        }
        let largest = max(most.x, most.y);
        var sums = vec2<f32>(0.0);
        var weighted = vec2<f32>(0.0);
        for (var pair = 0u; pair < PAIRS; pair++) {
            let y = below_pair(x[pair], largest);
            var e = exp(y);
            if pair == PAIRS - 1u {
                e.y = select(0.0, e.y, last_is_whole);
            }
            sums += e;
            weighted += e * y;
            x[pair] = e;
        }
        let sum = sums.x + sums.y;
        let inverse = 1.0 / sum;
        let entropy = log(sum) - (weighted.x + weighted.y) * inverse;
        // The running mean: what is new counts as one of so many.
        let weight = 1.0 / (parameters.accumulation.earlier + f32(sample + 1u));
        for (var pair = 0u; pair < PAIRS; pair++) {
            mean[pair] += (x[pair] * inverse - mean[pair]) * weight;
        }
        mean_entropy += (entropy - mean_entropy) * weight;
    }
    for (var pair = 0u; pair < PAIRS; pair++) {
        for (var i = 0u; i < 2u; i++) {
            let class_i = 2u * pair + i;
            if class_i < classes {
                store_probability_word(probability_at + class_i, bitcast<u32>(mean[pair][i]));
            }
        }
    }
    store_entropy_word(entropy_at, bitcast<u32>(mean_entropy));
}
