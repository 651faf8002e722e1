// f32 elements, one a word, and their normals.
// needs: noise, operation

const ELEMENTS_PER_WORD = 1u;

// The operation on four words.
fn disturb_words(words: vec4<u32>, noise: ptr<function, Noise>) -> vec4<u32> {
    if copies_bits() {
        return words;
    }
    return bitcast<vec4<u32>>(disturb(bitcast<vec4<f32>>(words), next_normals(noise)));
}

// The operation on one word. Only the first normal is looked at.
fn disturb_word(word: u32, normals: vec2<f32>) -> u32 {
    if copies_bits() {
        return word;
    }
    return bitcast<vec4<u32>>(disturb(bitcast<vec4<f32>>(vec4<u32>(word)), vec4<f32>(normals.x))).x;
}
