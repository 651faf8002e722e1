// Dropout as in dropout_body.wgsl, for GPUs: neighbouring invocations access neighbouring quads, so that the accesses
// of a subgroup join into few transactions. Each invocation decides a run and lends its word of keep bits to the others.

const ELEMENTS_PER_QUAD = 4u * ELEMENTS_PER_WORD;

var<workgroup> keep_words: array<u32, 256>; // the largest workgroup

fn move_quad(from_quad: u32, to_quad: u32, quad: u32) {
    let element = quad * ELEMENTS_PER_QUAD;
    let keep = keep_words[element / RUN] >> (element % RUN);
    store(to_quad + quad, apply(load(from_quad + quad), keep));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    keep_words[invocation] = decide(first_position(workgroup, workgroups, invocation));
    workgroupBarrier();
    let first = first_position(workgroup, workgroups, 0u);
    let from_quad = (call.input_offset + first) / ELEMENTS_PER_QUAD;
    let to_quad = (call.output_offset + first) / ELEMENTS_PER_QUAD;
    move_quad(from_quad, to_quad, invocation);
    move_quad(from_quad, to_quad, invocation + WORKGROUP_SIZE);
    move_quad(from_quad, to_quad, invocation + 2u * WORKGROUP_SIZE);
    move_quad(from_quad, to_quad, invocation + 3u * WORKGROUP_SIZE);
    if ELEMENTS_PER_WORD == 1u {
        move_quad(from_quad, to_quad, invocation + 4u * WORKGROUP_SIZE);
        move_quad(from_quad, to_quad, invocation + 5u * WORKGROUP_SIZE);
        move_quad(from_quad, to_quad, invocation + 6u * WORKGROUP_SIZE);
        move_quad(from_quad, to_quad, invocation + 7u * WORKGROUP_SIZE);
    }
}
