// Adds to the step of a key in a buffer, the low word of its stream.
// parameters: advance: Advance

struct Advance {
    word: u32,  // words before the key in its binding
    steps: u32, // what is added
    unused: vec2<u32>,
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) invocation: u32) {
    if invocation == 0u {
        let step = parameters.advance.word + 2u;
        store_output_word(step, output_word(step) + parameters.advance.steps);
    }
}
