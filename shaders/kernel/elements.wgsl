// The elements of one dispatch, and the share of an invocation. A position counts elements from the start of the first
// output word: the element's number in the dispatch plus `lead`, the elements of that word before the first. Only
// kernels that take any offset have a lead; the others begin at a whole word.
// parameters: elements: Elements

struct Elements {
    count: u32,         // elements of the dispatch
    input_offset: u32,  // elements before the first in the input's binding
    output_offset: u32, // and in the output's
    other_offset: u32,  // and in that of another input
}

// The number of a workgroup of a dispatch in rows.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
    return workgroup.y * workgroups.x + workgroup.x;
}

// Where the RUN positions of an invocation begin.
fn first_position(workgroup: vec3<u32>, workgroups: vec3<u32>, invocation: u32) -> u32 {
    return (workgroup_number(workgroup, workgroups) * WORKGROUP_SIZE + invocation) * RUN;
}

fn lead() -> u32 {
    return parameters.elements.output_offset % ELEMENTS_PER_WORD;
}
