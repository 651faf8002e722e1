// The key: in a buffer, as the words of seed and stream, lowest first. The parameters' seed says where: its low word
// counts the words before the key.
@group(2) @binding(0) var<storage, read> key_words: array<u32>;

fn keyed_rule() -> KeepRule {
    let first = call.rule.seed.x;
    var rule = call.rule;
    rule.seed = vec2<u32>(key_words[first], key_words[first + 1u]);
    rule.stream = vec2<u32>(key_words[first + 2u], key_words[first + 3u]);
    return rule;
}
