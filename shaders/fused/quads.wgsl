// A fused pass of whole workgroups: an invocation moves RUN neighbouring elements, four words at a time. The output begins at a
// multiple of 16 bytes.
// needs: kernel/elements, decision, fused_storage, input, other, bias, row_keep, fused/columns

const ELEMENTS_PER_QUAD = 4u * ELEMENTS_PER_WORD;

// An invocation's elements: the first one's position and column.
struct Run {
    position: u32,
    column: u32,
}

fn load_quad(run: Run, quad: u32) -> vec4<u32> {
    return input_four_words(parameters.elements.input_offset + run.position, quad);
}

// The unit that so many come before of a run; its first bit of `keep` is that of the run's first element.
fn finish_quad(run: Run, quad: u32, x: vec4<u32>, keep: u32) {
    let other = other_four_words(parameters.elements.other_offset + run.position, quad);
    let bias = bias_four_words(run.column, quad);
    let to = (parameters.elements.output_offset + run.position) / ELEMENTS_PER_QUAD + quad;
    store_output_quad(to, words_of(fuse_values(x, other, bias, keep >> (quad * ELEMENTS_PER_QUAD))));
}

fn move_quad(run: Run, quad: u32, keep: u32) {
    finish_quad(run, quad, load_quad(run, quad), keep);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let position = first_position(workgroup, workgroups, invocation);
    let run = Run(position, column_of(position));
    // Some loads come before the random numbers, so that memory and arithmetic overlap.
    let first = load_quad(run, 0u);
    if RUN == ELEMENTS_PER_QUAD {
        finish_quad(run, 0u, first, decide_bits(position) & row_bits(position));
        return;
    }
    let second = load_quad(run, 1u);
    if RUN == 2u * ELEMENTS_PER_QUAD {
        let keep = decide_bits(position) & row_bits(position);
        finish_quad(run, 0u, first, keep);
        finish_quad(run, 1u, second, keep);
        return;
    }
    let third = load_quad(run, 2u);
    let fourth = load_quad(run, 3u);
    let keep = decide_bits(position) & row_bits(position);
    finish_quad(run, 0u, first, keep);
    finish_quad(run, 1u, second, keep);
    finish_quad(run, 2u, third, keep);
    finish_quad(run, 3u, fourth, keep);
    if RUN >= 8u * ELEMENTS_PER_QUAD {
        move_quad(run, 4u, keep);
        move_quad(run, 5u, keep);
        move_quad(run, 6u, keep);
        move_quad(run, 7u, keep);
    }
}
