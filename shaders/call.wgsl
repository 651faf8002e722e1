// The parameters of one dispatch. src/gpu/call.rs has the same layout, and a test compares the two.
// Needs keep_rule.wgsl.

struct Call {
    rule: KeepRule,
    first: u32,         // the local position of the dispatch's first element
    length: u32,        // one past the local position of the last element
    input_offset: u32,  // words before the range in its binding
    output_offset: u32,
}

override WORKGROUP_SIZE: u32 = 64u;

// An invocation decides and moves a run: 32 neighbouring elements, one word of keep bits.
const RUN = 32u;

fn first_element(workgroup: vec3<u32>, workgroups: vec3<u32>, invocation: u32) -> u32 {
    return call.first + ((workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + invocation) * RUN;
}
