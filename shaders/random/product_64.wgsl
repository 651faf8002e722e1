// Products of 64 bits, of numbers as (low, high).
// needs: random/keep_rule, random/multiply_high

// a + b c modulo 2^64.
fn add_product_64(a: vec2<u32>, b: vec2<u32>, c: u32) -> vec2<u32> {
    return dropout_add_64(a, b.x * c) + vec2<u32>(0u, multiply_high(b.x, c) + b.y * c);
}
