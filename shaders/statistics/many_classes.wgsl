// Mean probabilities and mean entropy of samples of class logits, for any number of classes: neighbouring invocations, LANES
// to a row, handle neighbouring classes, and the mean probabilities stay in memory.
// needs: statistics/softmax, statistics/lanes, value

// What an invocation knows of its classes, relative to the largest of these: see statistics/softmax.wgsl.
struct Found {
    largest: f32,
    sum: f32,
    weighted: f32,
}

// Twice, so that one sample's are read while the next one's are written, and one barrier is enough.
var<workgroup> found: array<Found, 2u * WORKGROUP_SIZE>;

// The logits of classes i, i + LANES, i + 2·LANES and i + 3·LANES; where there is no such class, one that does not count.
fn four_logits(first: u32, i: u32, classes: u32) -> vec4<f32> {
    let at = four_classes(i);
    let there = at < vec4<u32>(classes);
    let from_here = vec4<u32>(first) + select(vec4<u32>(i), at, there);
    let x = vec4<f32>(
        input_value(from_here.x), input_value(from_here.y), input_value(from_here.z), input_value(from_here.w),
    );
    return select(vec4<f32>(LEAST), x, there);
}

fn add_probability(at: u32, p: f32, is_first: bool, weight: f32) {
    var mean = p;
    if !is_first {
        let before = bitcast<f32>(probability_word(at));
        mean = before + (p - before) * weight;
    }
    store_probability_word(at, bitcast<u32>(mean));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let classes = parameters.accumulation.classes;
    let share = share_of(workgroup, workgroups, invocation);
    let probability_at = parameters.accumulation.first_offset + share.row * classes;
    let entropy_at = parameters.accumulation.second_offset + share.row;
    var mean_entropy = 0.0;
    if parameters.accumulation.earlier > 0.0 {
        mean_entropy = bitcast<f32>(entropy_word(entropy_at));
    }
    for (var sample = 0u; sample < parameters.accumulation.samples; sample++) {
        let first = parameters.accumulation.input_offset + sample * parameters.accumulation.stride + share.row * classes;
        var most = vec4<f32>(LEAST);
        for (var i = share.lane; i < classes; i += 4u * LANES) {
            most = max(most, four_logits(first, i, classes));
        }
        var own = Found(largest_of(most), 0.0, 0.0);
        for (var block = share.lane; block < classes; block += BLOCK) {
            var sum = vec4<f32>(0.0);
            var weighted = vec4<f32>(0.0);
            let end = end_of_block(block, classes);
            for (var i = block; i < end; i += 4u * LANES) {
                let y = below(four_logits(first, i, classes), own.largest);
                let e = exp(y);
                sum += e;
                weighted += e * y;
            }
            own.sum += sum_of(sum);
            own.weighted += sum_of(weighted);
        }
        let turn = (sample % 2u) * WORKGROUP_SIZE;
        found[turn + invocation] = own;
        workgroupBarrier();
        let others = turn + share.first_lane;
        var largest = LEAST;
        for (var i = 0u; i < LANES; i++) {
            largest = max(largest, found[others + i].largest);
        }
        var sum = 0.0;
        var weighted = 0.0;
        for (var i = 0u; i < LANES; i++) {
            let part = found[others + i];
            let y = below(vec4<f32>(part.largest), largest).x;
            let e = exp(y);
            sum += e * part.sum;
            weighted += e * (part.weighted + y * part.sum);
        }
        let inverse = 1.0 / sum;
        let entropy = log(sum) - weighted * inverse;
        // The running mean: what is new counts as one of so many.
        let weight = 1.0 / (parameters.accumulation.earlier + f32(sample + 1u));
        let is_first = parameters.accumulation.earlier == 0.0 && sample == 0u;
        if share.is_there {
            for (var i = share.lane; i < classes; i += 4u * LANES) {
                let p = exp(below(four_logits(first, i, classes), largest)) * inverse;
                let there = four_classes(i) < vec4<u32>(classes);
                let at = vec4<u32>(probability_at) + four_classes(i);
                add_probability(at.x, p.x, is_first, weight);
                if there.y {
                    add_probability(at.y, p.y, is_first, weight);
                }
                if there.z {
                    add_probability(at.z, p.z, is_first, weight);
                }
                if there.w {
                    add_probability(at.w, p.w, is_first, weight);
                }
            }
        }
        mean_entropy += (entropy - mean_entropy) * weight;
    }
    if share.is_there && share.lane == 0u {
        store_entropy_word(entropy_at, bitcast<u32>(mean_entropy));
    }
}
