// A packed mask that keeps all: bits past the end are 0. The output begins at a multiple of 16 bytes, and has room for
// the whole of its last one.
// parameters: counts: Counts

struct Counts {
    words: u32,         // of the output
    input_offset: u32,  // unused
    output_offset: u32, // words before them in their binding
    is_first: u32,      // unused
    elements: vec2<u32>, // bits of these words that are kept
    unused: vec2<u32>,
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let counts = parameters.counts;
    let number = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + invocation;
    let first = number * WORDS_PER_INVOCATION;
    for (var i = 0u; i < WORDS_PER_INVOCATION; i += 4u) {
        let word = first + i;
        if word < counts.words {
            let bits = (vec4<u32>(word) + vec4<u32>(0u, 1u, 2u, 3u)) * 32u;
            let left = max(vec4<u32>(counts.elements.x), bits) - bits;
            let some = (vec4<u32>(1u) << (left & vec4<u32>(31u))) - vec4<u32>(1u);
            let kept = select(some, vec4<u32>(0xffffffffu), left >= vec4<u32>(32u));
            store_output_quad((counts.output_offset + word) / 4u, kept);
        }
    }
}
