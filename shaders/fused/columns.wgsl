// Rows and columns: the last axis of a tensor has so many elements.
// needs: random/quotient
// parameters: columns: Columns

struct Columns {
    count: u32,
    reciprocal: u32,  // of these, for a division by multiplying
    first: u32,       // column of the dispatch's first element
    bias_offset: u32, // elements before that of column 0 in the bias' binding
}

// Of the dispatch's element so many after its first: its row, counted from the first element's.
fn row_of(element: u32) -> u32 {
    return quotient(parameters.columns.first + element, parameters.columns.count, parameters.columns.reciprocal);
}

fn column_of(element: u32) -> u32 {
    return parameters.columns.first + element - row_of(element) * parameters.columns.count;
}

// The column that comes some after one, for at most RUN of them.
fn wrapped(column: vec4<u32>) -> vec4<u32> {
    let count = vec4<u32>(parameters.columns.count);
    if FEW_COLUMNS {
        return column % count;
    }
    return select(column, column - count, column >= count);
}

fn bias_offset() -> u32 {
    return parameters.columns.bias_offset;
}

// A number that only the host knows to be zero: the first column is one of them.
fn hidden_zero() -> u32 {
    return select(0u, 1u, parameters.columns.first >= parameters.columns.count);
}
