// Adds to the step of a key in a buffer, the low word of its stream. The parameters' seed says where the key is, as in
// key_buffer.wgsl; the low word of their stream is what is added.

// Nothing here has elements; the parameters ask for it.
const ELEMENTS_PER_WORD = 1u;

@group(0) @binding(0) var<storage, read_write> key_words: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) invocation: u32) {
    if invocation == 0u {
        key_words[call.rule.seed.x + 2u] += call.rule.stream.x;
    }
}
