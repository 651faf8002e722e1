// The decisions of attention, for tiles of scores of the shape (batches, heads, queries, keys), row-major.
// needs: random/keep_bits

// But for the batches, which no index depends on.
struct DropoutAttention {
    heads: u32,
    queries: u32,
    keys: u32,
}

// a b + c modulo 2^64, from products of 16-bit halves.
fn dropout_multiply_add_64(a: vec2<u32>, b: u32, c: u32) -> vec2<u32> {
    let low = (a.x & 0xffffu) * (b & 0xffffu);
    let middle_1 = (a.x >> 16u) * (b & 0xffffu) + (low >> 16u);
    let middle_2 = (a.x & 0xffffu) * (b >> 16u) + (middle_1 & 0xffffu);
    let high = (a.x >> 16u) * (b >> 16u) + (middle_1 >> 16u) + (middle_2 >> 16u);
    return dropout_add_64(vec2<u32>(a.x * b, high + a.y * b), c);
}

// The index of a score, counted from the mask's start.
fn dropout_attention_index(shape: DropoutAttention, batch: u32, head: u32, query: u32, key: u32) -> vec2<u32> {
    let matrix = dropout_multiply_add_64(vec2<u32>(batch, 0u), shape.heads, head);
    let row = dropout_multiply_add_64(matrix, shape.queries, query);
    return dropout_multiply_add_64(row, shape.keys, key);
}

// Which of 32 neighbouring keys of a query are kept: bit j is key + j. Bits past the last key are those of the next query.
fn dropout_attention_keep_bits(
    rule: DropoutKeepRule, shape: DropoutAttention, batch: u32, head: u32, query: u32, key: u32,
) -> u32 {
    let index = dropout_attention_index(shape, batch, head, query, key);
    var from_key = rule;
    from_key.start = dropout_add_64(rule.start, index.x) + vec2<u32>(0u, index.y);
    return dropout_keep_bits(from_key, 0u);
}
