// Sums as 16-bit floats, two a word.
// needs: format

const ELEMENTS_PER_WORD = 2u;

fn sum_word(low: f32, high: f32) -> u32 {
    let all = vec4<bool>(true);
    return narrow_kept(vec4<f32>(low), vec4<f32>(high), all, all).x;
}
