// How rows of classes are shared out: LANES neighbouring invocations to a row, each with every LANES-th class.
// needs: statistics/accumulation

struct Share {
    row: u32,
    lane: u32,
    first_lane: u32, // the invocation of the row's lane 0
    is_there: bool,
}

// An invocation without a row looks at the first one, because all of a workgroup meet at its barriers.
fn share_of(workgroup: vec3<u32>, workgroups: vec3<u32>, invocation: u32) -> Share {
    let number = invocation_number(workgroup, workgroups, 0u) / WORKGROUP_SIZE;
    let row = number * ROWS_PER_WORKGROUP + invocation / LANES;
    let lane = invocation % LANES;
    let is_there = invocation < ROWS_PER_WORKGROUP * LANES && row < parameters.accumulation.count;
    return Share(select(0u, row, is_there), lane, select(0u, invocation - lane, is_there), is_there);
}

// An invocation handles four classes at a time.
fn four_classes(i: u32) -> vec4<u32> {
    return vec4<u32>(i) + vec4<u32>(0u, LANES, 2u * LANES, 3u * LANES);
}

// What is added up before it is added to the rest: rounding errors grow with what was added to, and this keeps it small.
const BLOCK = 256u * LANES;

fn end_of_block(block: u32, classes: u32) -> u32 {
    return select(classes, block + BLOCK, block + BLOCK < classes);
}
