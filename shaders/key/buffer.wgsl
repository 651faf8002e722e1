// The key: in a buffer, as the words of seed and stream, lowest first; the rule's own is not looked at.
// needs: random/keep_rule
// parameters: rule: DropoutKeepRule, key: KeyPosition

struct KeyPosition {
    word: u32, // words before the key in its binding
    unused_0: u32,
    unused: vec2<u32>,
}

fn keyed_rule() -> DropoutKeepRule {
    let first = parameters.key.word;
    var rule = parameters.rule;
    rule.seed = vec2<u32>(key_word(first), key_word(first + 1u));
    rule.stream = vec2<u32>(key_word(first + 2u), key_word(first + 3u));
    return rule;
}
