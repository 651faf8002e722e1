// The keep mask as bytes: 1 = kept, 0 = dropped, four elements a word. Of a word that lies partly outside of the range,
// the other bytes stay.
// needs: kernel/elements, decision

const ELEMENTS_PER_WORD = 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let run = first_position(workgroup, workgroups, invocation);
    let all = lead() + parameters.elements.count;
    if run >= all {
        return;
    }
    let keep = decide_bits(run);
    let end = min(run + RUN, all);
    for (var position = run; position < end; position += ELEMENTS_PER_WORD) {
        var word = 0u;
        var covered = 0u;
        for (var i = 0u; i < ELEMENTS_PER_WORD; i++) {
            if position + i >= lead() && position + i < all {
                word |= ((keep >> (position - run + i)) & 1u) << (i * 8u);
                covered |= 0xffu << (i * 8u);
            }
        }
        if covered != 0u {
            let at = (parameters.elements.output_offset - lead() + position) / ELEMENTS_PER_WORD;
            if covered != 0xffffffffu {
                word |= output_word(at) & ~covered;
            }
            store_output_word(at, word);
        }
    }
}
