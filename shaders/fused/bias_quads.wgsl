// Bias: units of 16 bytes do not cross the end of a row, and begin at multiples of 16 bytes of the bias too.
// needs: columns

// The words of the unit that so many come before, of the elements from a column on.
fn bias_four_words(column: u32, quad: u32) -> vec4<u32> {
    let element = bias_offset() + wrapped(vec4<u32>(column + quad * 4u * ELEMENTS_PER_WORD)).x;
    return bias_quad(element / (4u * ELEMENTS_PER_WORD));
}
