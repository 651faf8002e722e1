// A fused pass an output word at a time, of any length and at any offset: for what the faster kernel leaves over. Of a word that
// lies partly outside of the range, the other elements keep their bits.
// needs: kernel/elements, decision, fused_storage, other, bias, row_keep, fused/columns

// The bits of element i of a word, counted from the lowest.
const ELEMENT_BITS = 32u / ELEMENTS_PER_WORD;
const ELEMENT_MASK = 0xffffffffu >> (32u - ELEMENT_BITS);

// The bits of an element, from the word that it lies in.
fn element_of(word: u32, element: u32) -> u32 {
    return (word >> (element % ELEMENTS_PER_WORD * ELEMENT_BITS)) & ELEMENT_MASK;
}

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
    let keep = decide_bits(run) & row_bits(run);
    let first = max(run, lead());
    let column = column_of(first - lead());
    let end = min(run + RUN, all);
    for (var position = run; position < end; position += ELEMENTS_PER_WORD) {
        var words = 0u;
        var others = 0u;
        var biases = 0u;
        var covered = 0u;
        for (var i = 0u; i < ELEMENTS_PER_WORD; i++) {
            if position + i >= lead() && position + i < all {
                let element = position + i - lead();
                let shift = i * ELEMENT_BITS;
                let input = parameters.elements.input_offset + element;
                words |= element_of(input_word(input / ELEMENTS_PER_WORD), input) << shift;
                if TAKES_OTHER {
                    let other = parameters.elements.other_offset + element;
                    others |= element_of(other_word(other / ELEMENTS_PER_WORD), other) << shift;
                }
                biases |= bias_element(column + (position + i - first)) << shift;
                covered |= ELEMENT_MASK << shift;
            }
        }
        if covered != 0u {
            let word = (parameters.elements.output_offset - lead() + position) / ELEMENTS_PER_WORD;
            let kept = keep >> (position - run);
            var result = words_of(fuse_values(vec4<u32>(words), vec4<u32>(others), vec4<u32>(biases), kept)).x;
            if covered != 0xffffffffu {
                result = (result & covered) | (output_word(word) & ~covered);
            }
            store_output_word(word, result);
        }
    }
}
