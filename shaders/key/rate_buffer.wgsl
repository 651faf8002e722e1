// The key: in a buffer, as in key/buffer.wgsl, and after it the rate: threshold and scale. The rule's own are not looked at.
// needs: random/keep_rule
// parameters: rule: DropoutKeepRule, key: KeyPosition

struct KeyPosition {
    word: u32,      // words before the key in its binding
    constants: u32, // words before what the operation computes with
    zero: u32,
    unused: u32,
}

fn keyed_rule() -> DropoutKeepRule {
    let first = parameters.key.word;
    return DropoutKeepRule(
        vec2<u32>(key_word(first), key_word(first + 1u)),
        vec2<u32>(key_word(first + 2u), key_word(first + 3u)),
        parameters.rule.start,
        key_word(first + 4u),
        bitcast<f32>(key_word(first + 5u)),
    );
}

// Whether p is 0. For p = 1 the threshold is 0 too, and the scale.
fn keeps_all(rule: DropoutKeepRule) -> bool {
    return rule.threshold == 0u && rule.scale != 0.0;
}
