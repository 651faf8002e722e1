// Divisions by numbers that the host knows, exact (Granlund and Montgomery, PLDI 1994, figure 4.1): devices have no division,
// and what replaces it costs several times as much.
// needs: random/multiply_high

// Dividend / divisor, with the reciprocal that goes with the divisor.
fn quotient(dividend: u32, divisor: u32, reciprocal: u32) -> u32 {
    let digits = 32u - countLeadingZeros(divisor - 1u);
    let product = multiply_high(dividend, reciprocal);
    return (product + ((dividend - product) >> min(digits, 1u))) >> (max(digits, 1u) - 1u);
}
