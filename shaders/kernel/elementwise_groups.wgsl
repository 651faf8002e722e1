// An elementwise operation for GPUs: an invocation moves the eight elements of a group, of which neighbouring
// invocations have neighbouring ones. Both ranges begin at multiples of 16 bytes.
// needs: kernel/elements, decision, group, operation, format, repeats

fn move_group(number: u32, before: u32, fates: Fates) {
    let x = load_group(parameters.elements.input_offset + before, number);
    let y = apply_group(x, kept_first(fates), kept_last(fates));
    store_group(parameters.elements.output_offset + before, number, y);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let number = workgroup_number(workgroup, workgroups) * GROUPS_PER_WORKGROUP + invocation;
    let fates = decide_group(number, invocation);
    if invocation < GROUPS_PER_WORKGROUP && number < parameters.elements.count / 8u {
        if REPEATED {
            for (var repeat = first_repeat(workgroup); repeat < end_of_repeats(workgroup); repeat++) {
                move_group(number, elements_before(repeat), fates);
            }
        } else {
            move_group(number, 0u, fates);
        }
    }
}
