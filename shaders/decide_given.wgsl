// Decision: a given packed mask, bit j for local element j. The low word of the parameters' start counts the words
// before it in its binding. Needs given_separate.wgsl or given_window.wgsl.

fn decide(position: u32) -> u32 {
    let word = call.rule.start.x + position / RUN;
    var keep = given_words[word];
    let shift = lead();
    if shift != 0u {
        // Positions begin before the elements, so a run's bits lie in two words.
        keep <<= shift;
        if position != 0u {
            keep |= given_words[word - 1u] >> (32u - shift);
        }
    }
    return keep;
}
