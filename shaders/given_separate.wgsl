// A given mask in a buffer that nothing is written to.
@group(2) @binding(0) var<storage, read> given_words: array<u32>;
