// An elementwise operation an output word at a time, of any length and at any offset: for the ends of a range, which the
// faster kernels leave over. Of a word that lies partly outside of the range, the other elements keep their bits.
// needs: kernel/elements, decision, storage, operation, format, other, repeats

// The bits of element i of a word, counted from the lowest.
const ELEMENT_BITS = 32u / ELEMENTS_PER_WORD;
const ELEMENT_MASK = 0xffffffffu >> (32u - ELEMENT_BITS);

// The bits of an element, from the word that it lies in.
fn element_of(word: u32, element: u32) -> u32 {
    return (word >> (element % ELEMENTS_PER_WORD * ELEMENT_BITS)) & ELEMENT_MASK;
}

// The elements of a run, in a repeat that so many elements come before.
fn move_run(run: u32, keep: u32, before: u32) {
    let all = lead() + parameters.elements.count;
    let end = min(run + RUN, all);
    for (var position = run; position < end; position += ELEMENTS_PER_WORD) {
        var words = 0u;
        var others = 0u;
        var covered = 0u;
        for (var i = 0u; i < ELEMENTS_PER_WORD; i++) {
            if position + i >= lead() && position + i < all {
                let element = before + position + i - lead();
                let input = parameters.elements.input_offset + element;
                words |= element_of(input_word(input / ELEMENTS_PER_WORD), input) << (i * ELEMENT_BITS);
                if TAKES_OTHER {
                    let other = parameters.elements.other_offset + element;
                    others |= element_of(other_word(other / ELEMENTS_PER_WORD), other) << (i * ELEMENT_BITS);
                }
                covered |= ELEMENT_MASK << (i * ELEMENT_BITS);
            }
        }
        if covered != 0u {
            let word = (parameters.elements.output_offset + before - lead() + position) / ELEMENTS_PER_WORD;
            var result = 0u;
            if TAKES_OTHER {
                result = choose(vec4<u32>(words), vec4<u32>(others), keep >> (position - run)).x;
            } else {
                result = apply(vec4<u32>(words), keep >> (position - run)).x;
            }
            if covered != 0xffffffffu {
                result = (result & covered) | (output_word(word) & ~covered);
            }
            store_output_word(word, result);
        }
    }
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
    let keep = decide_bits(run);
    if REPEATED {
        for (var repeat = first_repeat(workgroup); repeat < end_of_repeats(workgroup); repeat++) {
            move_run(run, keep, elements_before(repeat));
        }
    } else {
        move_run(run, keep, 0u);
    }
}
