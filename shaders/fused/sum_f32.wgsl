// Sums as f32, one a word.

const ELEMENTS_PER_WORD = 1u;

fn sum_word(low: f32, high: f32) -> u32 {
    return bitcast<u32>(low);
}
