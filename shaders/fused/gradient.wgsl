// A fused pass backward that sums columns too: an invocation owns RUN neighbouring columns, walks down some rows, and leaves the
// sum of each of its columns. Where WRITES says so it also writes the gradient of x, whose rows are then whole units of 16
// bytes; elsewhere neighbours would share words.
// needs: kernel/elements, decision, fused_storage, input, other, bias, row_keep, fused/walk, gradient

const ELEMENTS_PER_QUAD = 4u * ELEMENTS_PER_WORD;

// An invocation's elements of a row: the first one's position and column, and what is kept.
struct Run {
    position: u32,
    column: u32,
    keep: u32,
}

// Sums of the unit that so many come before of an invocation, with those of a row.
fn add_quad(sums: Values, run: Run, quad: u32) -> Values {
    let x = input_four_words(parameters.elements.input_offset + run.position, quad);
    let other = other_four_words(parameters.elements.other_offset + run.position, quad);
    let bias = bias_four_words(run.column, quad);
    let values = fuse_values(x, other, bias, run.keep >> (quad * ELEMENTS_PER_QUAD));
    if WRITES {
        if run.column + quad * ELEMENTS_PER_QUAD < parameters.walk.columns {
            store_gradient((parameters.elements.output_offset + run.position) / ELEMENTS_PER_QUAD + quad, words_of(values));
        }
    }
    return Values(sums.low + values.low, sums.high + values.high);
}

fn store_sum(block: u32, column: u32, sum: f32) {
    if column < parameters.walk.columns {
        let partial = parameters.walk.partial;
        let i = (partial & 0x7fffffffu) + block * parameters.walk.columns + column;
        let before = select(0.0, bitcast<f32>(partial_word(i)), partial >= 0x80000000u);
        store_partial_word(i, bitcast<u32>(before + sum));
    }
}

fn store_sums(block: u32, column: u32, quad: u32, sums: Values) {
    let first = column + quad * ELEMENTS_PER_QUAD;
    for (var lane = 0u; lane < 4u; lane++) {
        store_sum(block, first + lane * ELEMENTS_PER_WORD, sums.low[lane]);
        if ELEMENTS_PER_WORD == 2u {
            store_sum(block, first + lane * 2u + 1u, sums.high[lane]);
        }
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    parameters = given;
    let before = workgroup.z * workgroups.y * workgroups.x + workgroup_number(workgroup, workgroups);
    let number = before * WORKGROUP_SIZE + invocation;
    let columns = parameters.walk.columns;
    let block = block_of(number);
    let column = (number - block * runs_of_row()) * RUN;
    // Of this kernel the count is of rows.
    let rows = parameters.elements.count;
    let first = min(block, rows) * ROWS_EACH;
    let end = min(first + ROWS_EACH, rows);
    if first >= rows {
        return;
    }
    let valid = 0xffffffffu >> (32u - min(columns - column, 32u));
    let zero = Values(vec4<f32>(0.0), vec4<f32>(0.0));
    var sums_0 = zero;
    var sums_1 = zero;
    var sums_2 = zero;
    var sums_3 = zero;
    var sums_4 = zero;
    var sums_5 = zero;
    var sums_6 = zero;
    var sums_7 = zero;
    for (var row = first; row < end; row++) {
        let position = row * columns + column;
        let run = Run(position, column, select(0u, decide_bits(position) & valid, keeps_row(row)));
        sums_0 = add_quad(sums_0, run, 0u);
        if RUN >= 2u * ELEMENTS_PER_QUAD {
            sums_1 = add_quad(sums_1, run, 1u);
        }
        if RUN >= 4u * ELEMENTS_PER_QUAD {
            sums_2 = add_quad(sums_2, run, 2u);
            sums_3 = add_quad(sums_3, run, 3u);
        }
        if RUN >= 8u * ELEMENTS_PER_QUAD {
            sums_4 = add_quad(sums_4, run, 4u);
            sums_5 = add_quad(sums_5, run, 5u);
            sums_6 = add_quad(sums_6, run, 6u);
            sums_7 = add_quad(sums_7, run, 7u);
        }
    }
    store_sums(block, column, 0u, sums_0);
    if RUN >= 2u * ELEMENTS_PER_QUAD {
        store_sums(block, column, 1u, sums_1);
    }
    if RUN >= 4u * ELEMENTS_PER_QUAD {
        store_sums(block, column, 2u, sums_2);
        store_sums(block, column, 3u, sums_3);
    }
    if RUN >= 8u * ELEMENTS_PER_QUAD {
        store_sums(block, column, 4u, sums_4);
        store_sums(block, column, 5u, sums_5);
        store_sums(block, column, 6u, sums_6);
        store_sums(block, column, 7u, sums_7);
    }
}
