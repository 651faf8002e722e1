// Dropout, forward or backward, an output word at a time: any length and any offset, for what dropout_body.wgsl leaves
// over. Of a word that lies partly outside of the range, the other elements keep their bits.

// The bits of element i of a word, counted from the lowest.
const ELEMENT_BITS = 32u / ELEMENTS_PER_WORD;
const ELEMENT_MASK = 0xffffffffu >> (32u - ELEMENT_BITS);

fn in_range(position: u32) -> bool {
    return position >= lead() && position < call.length;
}

// The input element of a position.
fn load_element(position: u32) -> u32 {
    let element = call.input_offset + position - lead();
    return (load(element / ELEMENTS_PER_WORD) >> (element % ELEMENTS_PER_WORD * ELEMENT_BITS)) & ELEMENT_MASK;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let run = first_position(workgroup, workgroups, invocation);
    if run >= call.length {
        return;
    }
    let keep = decide(run);
    let end = min(run + RUN, call.length);
    for (var position = run; position < end; position += ELEMENTS_PER_WORD) {
        var words = 0u;
        var covered = 0u;
        for (var i = 0u; i < ELEMENTS_PER_WORD; i++) {
            if in_range(position + i) {
                words |= load_element(position + i) << (i * ELEMENT_BITS);
                covered |= ELEMENT_MASK << (i * ELEMENT_BITS);
            }
        }
        if covered != 0u {
            let word = (call.output_offset - lead() + position) / ELEMENTS_PER_WORD;
            var result = apply(vec4<u32>(words), keep >> (position - run)).x;
            if covered != 0xffffffffu {
                result = (result & covered) | (load_output(word) & ~covered);
            }
            store(word, result);
        }
    }
}
