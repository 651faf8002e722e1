// Eight neighbouring 16-bit elements as numbers, from any element on, and by units of 16 bytes where WHOLE promises that the
// ranges and their rows begin and end at eight elements.
// needs: format

const PER_WORD = 2u;

struct Eight {
    first: vec4<f32>, // the elements with even numbers, the low halves of words
    second: vec4<f32>, // and those with odd numbers
}

// Which of the elements in either half some bits name.
fn first_of(bits: u32) -> vec4<bool> {
    return (vec4<u32>(bits) & vec4<u32>(1u, 4u, 16u, 64u)) != vec4<u32>(0u);
}

fn second_of(bits: u32) -> vec4<bool> {
    return (vec4<u32>(bits) & vec4<u32>(2u, 8u, 32u, 128u)) != vec4<u32>(0u);
}

// Which of the elements in either half are kept.
struct Kept {
    first: vec4<bool>,
    second: vec4<bool>,
}

fn kept_bits(bits: u32) -> Kept {
    return Kept(first_of(bits), second_of(bits));
}

// Of elements 0 to 3 and 4 to 7.
fn kept_lanes(low: vec4<bool>, high: vec4<bool>) -> Kept {
    return Kept(vec4<bool>(low.x, low.z, high.x, high.z), vec4<bool>(low.y, low.w, high.y, high.w));
}

// Stores what is kept of the covered elements, and +0 for the rest of these. The first is the low half of a word; of a word
// of which one half is covered, the other keeps its bits.
fn store_eight(element: u32, x: Eight, kept: Kept, covered: u32) {
    let words = narrow_kept(x.first, x.second, kept.first, kept.second);
    if WHOLE {
        store_output_quad(element / 8u, words);
    } else {
        store_covered(element / 2u, words.x, covered);
        store_covered(element / 2u + 1u, words.y, covered >> 2u);
        store_covered(element / 2u + 2u, words.z, covered >> 4u);
        store_covered(element / 2u + 3u, words.w, covered >> 6u);
    }
}

fn store_covered(i: u32, word: u32, covered: u32) {
    let mask = select(0u, 0xffffu, (covered & 1u) != 0u) | select(0u, 0xffff0000u, (covered & 2u) != 0u);
    if mask == 0xffffffffu {
        store_output_word(i, word);
    } else if mask != 0u {
        store_output_word(i, (word & mask) | (output_word(i) & ~mask));
    }
}
