// The packed keep mask: an invocation writes one word, element j of the range is bit j & 31 of word j >> 5.
// needs: kernel/elements, decision

// The output is counted in words of 32 elements.
const ELEMENTS_PER_WORD = 1u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let position = first_position(workgroup, workgroups, invocation);
    if position >= parameters.elements.count {
        return;
    }
    // Bits past the end are 0.
    let used = 0xffffffffu >> (RUN - min(RUN, parameters.elements.count - position));
    store_output_word(parameters.elements.output_offset + position / RUN, decide_bits(position) & used);
}
