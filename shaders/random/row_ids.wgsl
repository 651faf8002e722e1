// The ids of gathered rows.
// parameters: row_ids: RowIds

struct RowIds {
    first: u32, // words before that of row 0 of the dispatch in the binding
    unused_0: u32,
    unused: vec2<u32>,
}

fn row_id(row: u32) -> u32 {
    return row_ids_word(parameters.row_ids.first + row);
}
