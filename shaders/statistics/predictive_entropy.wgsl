// The entropy of mean probabilities. It is log C − Σ p·log(p·C), which loses nothing where p is about 1/C; and the
// probabilities are divided by their sum, of which rounding has left not quite 1.
// needs: statistics/softmax, statistics/lanes

// The sum of an invocation's probabilities, and of their terms.
var<workgroup> found: array<vec2<f32>, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let classes = parameters.accumulation.classes;
    let share = share_of(workgroup, workgroups, invocation);
    let first = parameters.accumulation.input_offset + share.row * classes;
    var own = vec2<f32>(0.0);
    for (var block = share.lane; block < classes; block += BLOCK) {
        var sum = vec4<f32>(0.0);
        var terms = vec4<f32>(0.0);
        let end = end_of_block(block, classes);
        for (var i = block; i < end; i += 4u * LANES) {
            let at = four_classes(i);
            let there = at < vec4<u32>(classes);
            let from_here = vec4<u32>(first) + select(vec4<u32>(i), at, there);
            let words = vec4<u32>(
                input_word(from_here.x), input_word(from_here.y), input_word(from_here.z), input_word(from_here.w),
            );
            let p = bitcast<vec4<f32>>(select(vec4<u32>(0u), words, there));
            // Of so small a probability not even a million terms could be seen, and devices differ in what log makes of it.
            let term = p * log(p * f32(classes));
            terms += select(term, vec4<f32>(0.0), p < vec4<f32>(1e-30));
            sum += p;
        }
        own += vec2<f32>(sum_of(sum), sum_of(terms));
    }
    found[invocation] = own;
    workgroupBarrier();
    if share.is_there && share.lane == 0u {
        var all = vec2<f32>(0.0);
        for (var i = 0u; i < LANES; i++) {
            all += found[share.first_lane + i];
        }
        let entropy = log(f32(classes)) + log(all.x) - all.y / all.x;
        let at = parameters.accumulation.first_offset + share.row;
        store_predictive_entropy_word(at, bitcast<u32>(select(entropy, 0.0, entropy < 0.0)));
    }
}
