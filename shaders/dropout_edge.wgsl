// Dropout, forward or backward, a word at a time: any length and any offset, for what dropout_body.wgsl leaves over.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let element = first_element(workgroup, workgroups, invocation);
    if element >= call.length {
        return;
    }
    let keep = decide(element);
    for (var j = 0u; j < min(RUN, call.length - element); j++) {
        let x = vec4<u32>(load(call.input_offset + element + j));
        let kept = vec4<bool>(((keep >> j) & 1u) == 1u);
        store(call.output_offset + element + j, apply(x, kept).x);
    }
}
