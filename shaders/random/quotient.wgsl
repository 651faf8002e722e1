// Divisions by numbers that the host knows, exact (Granlund and Montgomery, PLDI 1994, figure 4.1): devices have no division,
// and what replaces it costs several times as much.

// The high word of a product, from products of 16-bit halves.
fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle_1 = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let middle_2 = (a & 0xffffu) * (b >> 16u) + (middle_1 & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (middle_1 >> 16u) + (middle_2 >> 16u);
}

// Dividend / divisor, with the reciprocal that goes with the divisor.
fn quotient(dividend: u32, divisor: u32, reciprocal: u32) -> u32 {
    let digits = 32u - countLeadingZeros(divisor - 1u);
    let product = multiply_high(dividend, reciprocal);
    return (product + ((dividend - product) >> min(digits, 1u))) >> (max(digits, 1u) - 1u);
}
