// The packed keep mask: an invocation writes one word, element j of the range is bit j & 31 of word j >> 5.

// The output is counted in words of 32 elements.
const ELEMENTS_PER_WORD = 1u;

@group(0) @binding(0) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let position = first_position(workgroup, workgroups, invocation);
    if position >= call.length {
        return;
    }
    // Bits past the end are 0.
    let used = 0xffffffffu >> (RUN - min(RUN, call.length - position));
    words[call.output_offset + position / RUN] = decide(position) & used;
}
