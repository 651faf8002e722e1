// Noise on elements whose ranges begin at multiples of 16 bytes: an invocation handles RUN of them, four words at a time.
// needs: kernel/elements, noise_input, noise_storage

const ELEMENTS_PER_QUAD = 4u * ELEMENTS_PER_WORD;

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
    let quads = min(RUN, parameters.elements.count - position) / ELEMENTS_PER_QUAD;
    let input = (parameters.elements.input_offset + position) / ELEMENTS_PER_QUAD;
    let output = (parameters.elements.output_offset + position) / ELEMENTS_PER_QUAD;
    var noise = noise_from(position);
    for (var quad = 0u; quad < quads; quad++) {
        store_output_quad(output + quad, disturb_words(input_quad(input + quad), &noise));
    }
}
