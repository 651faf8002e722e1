// Dropout as in dropout_body.wgsl, for GPUs: neighbouring invocations access neighbouring quads, so that the accesses
// of a subgroup join into few transactions. Each invocation decides a run and lends its word of keep bits to the others.

var<workgroup> keep_words: array<u32, 256>; // the largest workgroup

fn move_quad(first: u32, quad: u32) {
    let keep = keep_words[quad >> 3u] >> ((quad & 7u) << 2u);
    let kept = (vec4<u32>(keep) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
    let x = load(((call.input_offset + first) >> 2u) + quad);
    store(((call.output_offset + first) >> 2u) + quad, apply(x, kept));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    keep_words[invocation] = decide(first_element(workgroup, workgroups, invocation));
    workgroupBarrier();
    let first = first_element(workgroup, workgroups, 0u);
    move_quad(first, invocation);
    move_quad(first, invocation + WORKGROUP_SIZE);
    move_quad(first, invocation + 2u * WORKGROUP_SIZE);
    move_quad(first, invocation + 3u * WORKGROUP_SIZE);
    move_quad(first, invocation + 4u * WORKGROUP_SIZE);
    move_quad(first, invocation + 5u * WORKGROUP_SIZE);
    move_quad(first, invocation + 6u * WORKGROUP_SIZE);
    move_quad(first, invocation + 7u * WORKGROUP_SIZE);
}
