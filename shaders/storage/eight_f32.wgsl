// Eight neighbouring f32 elements as numbers, from any element on, and by units of 16 bytes where WHOLE promises that the
// ranges and their rows begin and end at eight elements.

const PER_WORD = 1u;

struct Eight {
    first: vec4<f32>, // elements 0 to 3
    second: vec4<f32>, // and 4 to 7
}

// Which of the elements in either half some bits name.
fn first_of(bits: u32) -> vec4<bool> {
    return (vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>(0u);
}

fn second_of(bits: u32) -> vec4<bool> {
    return (vec4<u32>(bits) & vec4<u32>(16u, 32u, 64u, 128u)) != vec4<u32>(0u);
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
    return Kept(low, high);
}

// Stores what is kept of the covered elements, and +0 for the rest of these.
fn store_eight(element: u32, x: Eight, kept: Kept, covered: u32) {
    let first = select(vec4<u32>(0u), bitcast<vec4<u32>>(x.first), kept.first);
    let second = select(vec4<u32>(0u), bitcast<vec4<u32>>(x.second), kept.second);
    if WHOLE {
        store_output_quad(element / 4u, first);
        store_output_quad(element / 4u + 1u, second);
    } else {
        store_covered(element, first, covered);
        store_covered(element + 4u, second, covered >> 4u);
    }
}

fn store_covered(element: u32, words: vec4<u32>, covered: u32) {
    if (covered & 1u) != 0u {
        store_output_word(element, words.x);
    }
    if (covered & 2u) != 0u {
        store_output_word(element + 1u, words.y);
    }
    if (covered & 4u) != 0u {
        store_output_word(element + 2u, words.z);
    }
    if (covered & 8u) != 0u {
        store_output_word(element + 3u, words.w);
    }
}
