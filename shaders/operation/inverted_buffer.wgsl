// Operation: inverted dropout with a scale that lies in a buffer, after a count of two words.

const COPIES_BITS = false;
const SELECTS_BITS = false;
const DROPS_TO_ZERO = true;

fn operate(x: vec4<f32>) -> vec4<f32> {
    return x * bitcast<f32>(scale_word(2u));
}

fn dropped() -> f32 {
    return 0.0;
}
