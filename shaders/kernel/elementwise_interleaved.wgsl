// An elementwise operation for GPUs, of whole workgroups: neighbouring invocations access neighbouring units of memory,
// a word or four, so that the accesses of a subgroup join into few transactions. Each invocation decides RUN neighbouring
// elements and lends the bits to the others.
// needs: kernel/elements, decision, runs, storage, operation, format, input, other, repeats

const ELEMENTS_PER_UNIT = WORDS_PER_UNIT * ELEMENTS_PER_WORD;
const UNITS = RUN / ELEMENTS_PER_UNIT;
// Elements from one unit of an invocation to its next.
const STEP = WORKGROUP_SIZE * ELEMENTS_PER_UNIT;

// Decisions lie in words, one for RUN elements, or for 32 of them.
const BITS = min(RUN, 32u);
var<workgroup> keep_runs: array<u32, WORKGROUP_SIZE * RUN / BITS>;

// Where an invocation's units begin: element `first` of the tile is element `input`, element `other` and unit `output` of the
// ranges.
struct Share {
    first: u32,
    input: u32,
    other: u32,
    output: u32,
}

fn move_unit(share: Share, i: u32) {
    var run = (share.first + i * STEP) / BITS;
    var bit = (share.first + i * STEP) % BITS;
    if STEP % BITS == 0u {
        // Simpler: the bits of all units are at one place.
        run = share.first / BITS + i * (STEP / BITS);
        bit = share.first % BITS;
    }
    let keep = keep_runs[run];
    let output_unit = share.output + i * WORKGROUP_SIZE;
    if WORDS_PER_UNIT == 4u {
        let x = input_four_words(share.input, i * WORKGROUP_SIZE);
        if TAKES_OTHER {
            store_output_quad(output_unit, choose(x, other_four_words(share.other, i * WORKGROUP_SIZE), keep >> bit));
        } else {
            store_output_quad(output_unit, apply(x, keep >> bit));
        }
    } else {
        let x = input_one_word(share.input + i * STEP);
        if TAKES_OTHER {
            let other = vec4<u32>(other_one_word(share.other + i * STEP));
            store_output_word(output_unit, choose(vec4<u32>(x), other, keep >> bit).x);
        } else {
            store_output_word(output_unit, apply_word(x, keep, bit));
        }
    }
}

fn move_four_units(share: Share, i: u32) {
    move_unit(share, i);
    move_unit(share, i + 1u);
    move_unit(share, i + 2u);
    move_unit(share, i + 3u);
}

// An invocation's share of the tile that begins at an element of the ranges.
fn move_tile(invocation: u32, tile: u32) {
    let first = invocation * ELEMENTS_PER_UNIT;
    let output = (parameters.elements.output_offset + tile) / ELEMENTS_PER_UNIT + invocation;
    let input = parameters.elements.input_offset + tile + first;
    let other = parameters.elements.other_offset + tile + first;
    let share = Share(first, input, other, output);
    move_four_units(share, 0u);
    if UNITS >= 8u {
        move_four_units(share, 4u);
    }
    for (var i = 8u; i < UNITS; i += 4u) {
        move_four_units(share, i);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let position = first_position(workgroup, workgroups, invocation);
    if RUN <= 32u {
        keep_runs[invocation] = decide_bits(position);
    } else {
        let keep = decide_runs(position);
        keep_runs[4u * invocation] = keep.x;
        keep_runs[4u * invocation + 1u] = keep.y;
        keep_runs[4u * invocation + 2u] = keep.z;
        keep_runs[4u * invocation + 3u] = keep.w;
    }
    workgroupBarrier();
    let tile = first_position(workgroup, workgroups, 0u);
    if REPEATED {
        for (var repeat = first_repeat(workgroup); repeat < end_of_repeats(workgroup); repeat++) {
            move_tile(invocation, tile + elements_before(repeat));
        }
    } else {
        move_tile(invocation, tile);
    }
}
