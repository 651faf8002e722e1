// The packed keep mask: an invocation writes one word, element j of the range is bit j & 31 of word j >> 5.

@group(0) @binding(0) var<storage, read_write> words: array<u32>;

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
    // Bits past the end are 0.
    let used = 0xffffffffu >> (RUN - min(RUN, call.length - element));
    words[call.output_offset + element / RUN] = decide(element) & used;
}
