// Noise on elements at any offset, an output word at a time. Of a word that lies partly outside of the range, the other
// elements keep their bits.
// needs: kernel/elements, noise_input, noise_storage

// The bits of element i of a word, counted from the lowest.
const ELEMENT_BITS = 32u / ELEMENTS_PER_WORD;
const ELEMENT_MASK = 0xffffffffu >> (32u - ELEMENT_BITS);

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
    let end = min(run + RUN, all);
    var noise = noise_from(run);
    var normals = vec4<f32>(0.0);
    for (var position = run; position < end; position += ELEMENTS_PER_WORD) {
        if (position - run) % 4u == 0u {
            normals = next_normals(&noise);
        }
        var words = 0u;
        var covered = 0u;
        for (var i = 0u; i < ELEMENTS_PER_WORD; i++) {
            if position + i >= lead() && position + i < all {
                let input = parameters.elements.input_offset + position + i - lead();
                let word = input_word(input / ELEMENTS_PER_WORD) >> (input % ELEMENTS_PER_WORD * ELEMENT_BITS);
                words |= (word & ELEMENT_MASK) << (i * ELEMENT_BITS);
                covered |= ELEMENT_MASK << (i * ELEMENT_BITS);
            }
        }
        let lane = (position - run) % 4u;
        var result = disturb_word(words, vec2<f32>(normals[lane], normals[(lane + 1u) % 4u]));
        if covered != 0u {
            let word = (parameters.elements.output_offset - lead() + position) / ELEMENTS_PER_WORD;
            if covered != 0xffffffffu {
                result = (result & covered) | (output_word(word) & ~covered);
            }
            store_output_word(word, result);
        }
    }
}
