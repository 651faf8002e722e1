// The parameters of one dispatch. src/gpu/call.rs has the same layout, and a test compares the two.
// Needs keep_rule.wgsl.

// Work is divided by words of the output, so that each has one writer. A position counts elements from the start of the
// range's first output word: the element's local index plus `lead`, the elements of that word before the range.
struct Call {
    rule: KeepRule,       // for contiguous views its start is that of position 0
    row_pitch: vec2<u32>, // for views of rows: elements from row to row
    first: u32,           // the dispatch's first position
    length: u32,          // one past the last position
    input_offset: u32,    // elements before the range in its binding
    output_offset: u32,
    row_length: u32,      // for views of rows: elements of a row
    column: u32,          // and where in its row the first element lies
}

override WORKGROUP_SIZE: u32 = 64u;

// An invocation decides and moves a run: 32 neighbouring positions, one word of keep bits.
const RUN = 32u;

fn first_position(workgroup: vec3<u32>, workgroups: vec3<u32>, invocation: u32) -> u32 {
    return call.first + ((workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + invocation) * RUN;
}

// Elements of the first output word that lie before the range.
fn lead() -> u32 {
    return call.output_offset % ELEMENTS_PER_WORD;
}
