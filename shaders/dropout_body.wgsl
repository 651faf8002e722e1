// Dropout, forward or backward, of whole workgroups of runs whose ranges are aligned to 16 bytes: nothing here checks
// a bound. dropout_edge.wgsl does the rest.

fn move_quad(from_quad: u32, to_quad: u32, keep: u32) {
    store(to_quad, apply(load(from_quad), keep));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    const ELEMENTS_PER_QUAD = 4u * ELEMENTS_PER_WORD;
    let position = first_position(workgroup, workgroups, invocation);
    let from_quad = (call.input_offset + position) / ELEMENTS_PER_QUAD;
    let to_quad = (call.output_offset + position) / ELEMENTS_PER_QUAD;
    // Some loads come before the random numbers, so that memory and arithmetic overlap.
    let quad_0 = load(from_quad);
    let quad_1 = load(from_quad + 1u);
    let quad_2 = load(from_quad + 2u);
    let quad_3 = load(from_quad + 3u);
    let keep = decide(position);
    store(to_quad, apply(quad_0, keep));
    store(to_quad + 1u, apply(quad_1, keep >> ELEMENTS_PER_QUAD));
    store(to_quad + 2u, apply(quad_2, keep >> (2u * ELEMENTS_PER_QUAD)));
    store(to_quad + 3u, apply(quad_3, keep >> (3u * ELEMENTS_PER_QUAD)));
    if ELEMENTS_PER_WORD == 1u {
        move_quad(from_quad + 4u, to_quad + 4u, keep >> 16u);
        move_quad(from_quad + 5u, to_quad + 5u, keep >> 20u);
        move_quad(from_quad + 6u, to_quad + 6u, keep >> 24u);
        move_quad(from_quad + 7u, to_quad + 7u, keep >> 28u);
    }
}
