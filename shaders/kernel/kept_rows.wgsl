// The numbers of the kept rows, in order, and what an indirect dispatch over them takes. One workgroup walks over all
// rows, because where a row's number goes depends on every row before it.
// needs: kernel/elements, decision
// parameters: dispatch: Dispatch

struct Dispatch {
    arguments: u32,          // words before the arguments in their binding
    first_row: u32,          // rows that earlier launches have listed
    rows_per_workgroup: u32, // of the dispatch
    most_workgroups: u32,    // of a dispatch in a dimension
}

// The list is counted in words.
const ELEMENTS_PER_WORD = 1u;

var<workgroup> sums: array<u32, WORKGROUP_SIZE>;

// The sum of the values of all invocations up to this one.
fn sum_up_to(invocation: u32, value: u32) -> u32 {
    var sum = value;
    for (var distance = 1u; distance < WORKGROUP_SIZE; distance *= 2u) {
        sums[invocation] = sum;
        workgroupBarrier();
        if invocation >= distance {
            sum += sums[invocation - distance];
        }
        workgroupBarrier();
    }
    return sum;
}

// Rounded up, and without the overflow of the usual sum.
fn divide_up(a: u32, b: u32) -> u32 {
    return a / b + select(0u, 1u, a % b != 0u);
}

// The workgroups of a dispatch in x, y and z: at least as many as there are, in rows of no more than a device takes.
fn dispatch_of(workgroups: u32) -> vec3<u32> {
    let most = parameters.dispatch.most_workgroups;
    let layer = select(0xffffffffu, most * most, most <= 0xffffu);
    let z = max(divide_up(workgroups, layer), 1u);
    let y = max(divide_up(divide_up(workgroups, z), most), 1u);
    return vec3<u32>(divide_up(divide_up(workgroups, z), y), y, z);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let count = parameters.elements.count;
    let arguments = parameters.dispatch.arguments;
    let first_row = parameters.dispatch.first_row;
    var listed = 0u;
    if first_row > 0u {
        listed = arguments_word(arguments + 3u);
    }
    for (var tile = 0u; tile < count; tile += WORKGROUP_SIZE * RUN) {
        let position = tile + first_position(workgroup, workgroups, invocation);
        var keep = decide_bits(position);
        // Past the end there are no rows.
        let left = max(position, count) - position;
        if left < RUN {
            keep &= (1u << left) - 1u;
        }
        let sum = sum_up_to(invocation, countOneBits(keep));
        var to = parameters.elements.output_offset + listed + sum - countOneBits(keep);
        while keep != 0u {
            store_output_word(to, first_row + position + firstTrailingBit(keep));
            keep &= keep - 1u;
            to++;
        }
        sums[invocation] = sum;
        workgroupBarrier();
        listed += sums[WORKGROUP_SIZE - 1u];
        workgroupBarrier();
    }
    if invocation == 0u {
        let dispatch = dispatch_of(divide_up(listed, parameters.dispatch.rows_per_workgroup));
        store_arguments_word(arguments, dispatch.x);
        store_arguments_word(arguments + 1u, dispatch.y);
        store_arguments_word(arguments + 2u, dispatch.z);
        store_arguments_word(arguments + 3u, listed);
    }
}
