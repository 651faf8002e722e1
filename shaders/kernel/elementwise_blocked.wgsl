// An elementwise operation for devices that run on the CPU, of whole workgroups: an invocation moves RUN neighbouring
// elements, four words at a time. The output begins at a multiple of 16 bytes.
// needs: kernel/elements, decision, storage, operation, format, input, other, repeats

const ELEMENTS_PER_QUAD = 4u * ELEMENTS_PER_WORD;

// The operation on unit `quad` of an invocation, whose first bit of `keep` is the lowest.
fn operate_on_quad(x: vec4<u32>, position: u32, quad: u32, keep: u32) -> vec4<u32> {
    if TAKES_OTHER {
        return choose(x, other_four_words(parameters.elements.other_offset + position, quad), keep);
    }
    return apply(x, keep);
}

// The unit that so many units of 16 bytes come before, of an invocation's elements from a position on.
fn move_quad(position: u32, quad: u32, keep: u32) {
    let x = input_four_words(parameters.elements.input_offset + position, quad);
    let to = (parameters.elements.output_offset + position) / ELEMENTS_PER_QUAD + quad;
    store_output_quad(to, operate_on_quad(x, position, quad, keep));
}

// A run of 32 elements, with its bits.
fn move_run(position: u32, keep: u32) {
    move_quad(position, 0u, keep);
    move_quad(position, 1u, keep >> ELEMENTS_PER_QUAD);
    move_quad(position, 2u, keep >> (2u * ELEMENTS_PER_QUAD));
    move_quad(position, 3u, keep >> (3u * ELEMENTS_PER_QUAD));
    if ELEMENTS_PER_WORD == 1u {
        move_quad(position, 4u, keep >> 16u);
        move_quad(position, 5u, keep >> 20u);
        move_quad(position, 6u, keep >> 24u);
        move_quad(position, 7u, keep >> 28u);
    }
}

// The same, where nothing is known of the bits yet: some loads come before the random numbers, so that memory and arithmetic
// overlap.
fn decide_and_move_run(position: u32) {
    let input = parameters.elements.input_offset + position;
    let to = (parameters.elements.output_offset + position) / ELEMENTS_PER_QUAD;
    let quad_0 = input_four_words(input, 0u);
    let quad_1 = input_four_words(input, 1u);
    let quad_2 = input_four_words(input, 2u);
    let quad_3 = input_four_words(input, 3u);
    let keep = decide_bits(position);
    store_output_quad(to, operate_on_quad(quad_0, position, 0u, keep));
    store_output_quad(to + 1u, operate_on_quad(quad_1, position, 1u, keep >> ELEMENTS_PER_QUAD));
    store_output_quad(to + 2u, operate_on_quad(quad_2, position, 2u, keep >> (2u * ELEMENTS_PER_QUAD)));
    store_output_quad(to + 3u, operate_on_quad(quad_3, position, 3u, keep >> (3u * ELEMENTS_PER_QUAD)));
    if ELEMENTS_PER_WORD == 1u {
        move_quad(position, 4u, keep >> 16u);
        move_quad(position, 5u, keep >> 20u);
        move_quad(position, 6u, keep >> 24u);
        move_quad(position, 7u, keep >> 28u);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let position = first_position(workgroup, workgroups, invocation);
    if REPEATED {
        let keep = decide_bits(position);
        for (var repeat = first_repeat(workgroup); repeat < end_of_repeats(workgroup); repeat++) {
            move_run(position + elements_before(repeat), keep);
        }
    } else {
        decide_and_move_run(position);
    }
}
