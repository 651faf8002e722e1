// A walk down columns: where the sums go.
// needs: random/quotient
// parameters: walk: Walk

struct Walk {
    columns: u32,
    reciprocal: u32,  // of the runs of a row, for a division by multiplying
    partial: u32,     // sums before the first in their binding; the highest bit says that they are added to
    bias_offset: u32, // elements before that of column 0 in the bias' binding
}

fn runs_of_row() -> u32 {
    return (parameters.walk.columns + RUN - 1u) / RUN;
}

// Which of the blocks of rows an invocation walks through.
fn block_of(number: u32) -> u32 {
    return quotient(number, runs_of_row(), parameters.walk.reciprocal);
}

fn bias_offset() -> u32 {
    return parameters.walk.bias_offset;
}

// A run may reach past the end of the row; nobody looks at what it finds there.
fn wrapped(column: vec4<u32>) -> vec4<u32> {
    return column;
}
