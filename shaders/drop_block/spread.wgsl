// Spreads bits along an axis of DropBlock's blocks, and along rows: bit j of the output is 1 where one of the bits j -
// s of the input is, for the distances s = 0, step, 2 step, … and the last one, each plus 0 to across - 1. An
// invocation computes eight neighbouring words.
// parameters: spread: Spread

struct Spread {
    words: u32,         // of the dispatch's output
    elements: u32,      // bits of the output that are elements
    input_offset: u32,  // words before the first in the input's binding; what is before that is 0
    output_offset: u32, // words before the first in the output's binding
    step_words: u32,    // a distance is so many words
    step_bits: u32,     // and so many bits
    steps: u32,         // distances before the last
    across: u32,        // 1 to 32
    last_words: u32,
    last_bits: u32,
    writes_keep: u32,   // 1: the packed keep mask, which is 0 where the bits are 1
    unused: u32,
}

fn input_or_none(word: u32) -> u32 {
    // Below 0 it has wrapped.
    return select(0u, input_word(word), word < 0x80000000u);
}

// Words moved up by less than 32 bits, with what comes from the words before them.
fn move_up(words: vec4<u32>, before: vec4<u32>, bits: u32) -> vec4<u32> {
    // Two shifts, because one by 32 is not defined.
    return (words << vec4<u32>(bits)) | ((before >> vec4<u32>(1u)) >> vec4<u32>(31u - bits));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let spread = parameters.spread;
    let number = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + invocation;
    let word = number * WORDS_PER_INVOCATION;
    if word >= spread.words {
        return;
    }
    // Words 0 to 3 and 4 to 7, and the one before them, of which rows need the upper bits.
    var low = vec4<u32>(0u);
    var high = vec4<u32>(0u);
    var before = 0u;
    var distance = vec2<u32>(0u);
    for (var i = 0u; i <= spread.steps; i++) {
        if i == spread.steps {
            distance = vec2<u32>(spread.last_words, spread.last_bits);
        }
        let first = spread.input_offset + word - distance.x;
        let w_0 = vec4<u32>(
            input_or_none(first - 2u), input_or_none(first - 1u), input_or_none(first), input_or_none(first + 1u),
        );
        let w_4 = vec4<u32>(
            input_or_none(first + 2u), input_or_none(first + 3u), input_or_none(first + 4u), input_or_none(first + 5u),
        );
        let w_8 = vec2<u32>(input_or_none(first + 6u), input_or_none(first + 7u));
        before |= move_up(vec4<u32>(w_0.y), vec4<u32>(w_0.x), distance.y).x;
        low |= move_up(vec4<u32>(w_0.zw, w_4.xy), vec4<u32>(w_0.yzw, w_4.x), distance.y);
        high |= move_up(vec4<u32>(w_4.zw, w_8), vec4<u32>(w_4.yzw, w_8.x), distance.y);
        distance.x += spread.step_words + (distance.y + spread.step_bits) / 32u;
        distance.y = (distance.y + spread.step_bits) % 32u;
    }
    // Twice as far each time.
    var done = 1u;
    while done < spread.across {
        let by = min(done, spread.across - done);
        high |= move_up(high, vec4<u32>(low.w, high.xyz), by);
        low |= move_up(low, vec4<u32>(before, low.xyz), by);
        before |= before << by;
        done += by;
    }
    for (var i = 0u; i < WORDS_PER_INVOCATION; i++) {
        if word + i < spread.words {
            var bits = select(high[i & 3u], low[i & 3u], i < 4u);
            if spread.writes_keep == 1u {
                let used = min(spread.elements - (word + i) * 32u, 32u);
                bits = ~bits & (0xffffffffu >> (32u - used));
            }
            store_output_word(spread.output_offset + word + i, bits);
        }
    }
}
