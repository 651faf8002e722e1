// How many bits of a packed mask are 1: a number for each workgroup, of which each invocation counts some words. The
// input's range begins at a multiple of 16 bytes.
// parameters: counts: Counts

struct Counts {
    words: u32,         // of the input
    input_offset: u32,  // words before them in their binding
    output_offset: u32, // words before the first number in its binding
    is_first: u32,      // 1: nothing was counted before
    elements: vec2<u32>, // of the call, low word first
    unused: vec2<u32>,
}

var<workgroup> counted: array<u32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let counts = parameters.counts;
    let number = workgroup.y * workgroups.x + workgroup.x;
    let first = number * WORKGROUP_SIZE * WORDS_PER_INVOCATION;
    var kept = 0u;
    for (var i = 0u; i < WORDS_PER_INVOCATION; i += 4u) {
        let word = first + i * WORKGROUP_SIZE + invocation * 4u;
        let bits = countOneBits(input_quad((counts.input_offset + word) / 4u));
        let is_there = vec4<u32>(word) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(counts.words);
        let there = select(vec4<u32>(0u), bits, is_there);
        kept += there.x + there.y + there.z + there.w;
    }
    counted[invocation] = kept;
    workgroupBarrier();
    if invocation == 0u && first < counts.words {
        for (var i = 1u; i < WORKGROUP_SIZE; i++) {
            kept += counted[i];
        }
        store_output_word(counts.output_offset + number, kept);
    }
}
