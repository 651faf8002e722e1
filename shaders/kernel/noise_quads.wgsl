// Noise on elements whose ranges begin at multiples of 16 bytes: an invocation handles RUN of them, one to four units of
// four words.
// needs: kernel/elements, noise_input, noise_storage

const ELEMENTS_PER_QUAD = 4u * ELEMENTS_PER_WORD;

// The next unit, where the invocation has so many. Not in a loop: it would keep the noise in memory, which is slower on
// devices that run on the CPU.
fn disturb_quad(input: u32, output: u32, quad: u32, quads: u32, noise: ptr<function, Noise>) {
    if quad < RUN / ELEMENTS_PER_QUAD {
        if quad < quads {
            store_output_quad(output + quad, disturb_words(input_quad(input + quad), noise));
        }
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let position = first_position(workgroup, workgroups, invocation);
    let quads = (max(parameters.elements.count, position) - position) / ELEMENTS_PER_QUAD;
    let input = (parameters.elements.input_offset + position) / ELEMENTS_PER_QUAD;
    let output = (parameters.elements.output_offset + position) / ELEMENTS_PER_QUAD;
    var noise = noise_from(position);
    disturb_quad(input, output, 0u, quads, &noise);
    disturb_quad(input, output, 1u, quads, &noise);
    disturb_quad(input, output, 2u, quads, &noise);
    disturb_quad(input, output, 3u, quads, &noise);
}
