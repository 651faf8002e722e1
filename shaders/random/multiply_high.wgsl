// The high word of a product, from products of 16-bit halves.
fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle_1 = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let middle_2 = (a & 0xffffu) * (b >> 16u) + (middle_1 & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (middle_1 >> 16u) + (middle_2 >> 16u);
}
