// Statistics over Monte Carlo samples: which elements a launch handles, and where they lie.
// parameters: accumulation: Accumulation

struct Accumulation {
    count: u32,         // elements of an accumulator, or rows of classes
    samples: u32,       // samples of the launch
    stride: u32,        // elements from a sample to the next
    classes: u32,       // elements of a row
    earlier: f32,       // samples that the accumulators hold already
    weight: f32,        // of what is new, beside what was there
    other_weight: f32,  // of the distance of two means
    input_offset: u32,  // elements before the first in their binding; of accumulators, words
    first_offset: u32,  // words before the other operands, in the order in which a kernel names them
    second_offset: u32,
    other_offset: u32,
    other_second_offset: u32,
}

// The number of an invocation among those of a dispatch.
fn invocation_number(workgroup: vec3<u32>, workgroups: vec3<u32>, invocation: u32) -> u32 {
    return (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + invocation;
}
