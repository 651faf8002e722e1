// Dropout, forward or backward, of whole workgroups of runs whose ranges are aligned to 16 bytes: nothing here checks
// a bound. dropout_edge.wgsl does the rest.

fn move_quad(element: u32, keep: u32) {
    let x = load((call.input_offset + element) >> 2u);
    let kept = (vec4<u32>(keep) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
    store((call.output_offset + element) >> 2u, apply(x, kept));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let element = first_element(workgroup, workgroups, invocation);
    let keep = decide(element);
    move_quad(element, keep);
    move_quad(element + 4u, keep >> 4u);
    move_quad(element + 8u, keep >> 8u);
    move_quad(element + 12u, keep >> 12u);
    move_quad(element + 16u, keep >> 16u);
    move_quad(element + 20u, keep >> 20u);
    move_quad(element + 24u, keep >> 24u);
    move_quad(element + 28u, keep >> 28u);
}
