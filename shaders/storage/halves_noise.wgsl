// 16-bit floats, two a word, and their normals.
// needs: noise, operation, format

const ELEMENTS_PER_WORD = 2u;

fn disturb_halves(words: vec4<u32>, low: vec4<f32>, high: vec4<f32>) -> vec4<u32> {
    if copies_bits() {
        return words;
    }
    let all = vec4<bool>(true);
    return narrow_kept(disturb(widen_low(words), low), disturb(widen_high(words), high), all, all);
}

// The operation on four words.
fn disturb_words(words: vec4<u32>, noise: ptr<function, Noise>) -> vec4<u32> {
    let first = next_normals(noise);
    let last = next_normals(noise);
    return disturb_halves(words, vec4<f32>(first.xz, last.xz), vec4<f32>(first.yw, last.yw));
}

// The operation on one word, whose low half has the first normal.
fn disturb_word(word: u32, normals: vec2<f32>) -> u32 {
    return disturb_halves(vec4<u32>(word), vec4<f32>(normals.x), vec4<f32>(normals.y)).x;
}
