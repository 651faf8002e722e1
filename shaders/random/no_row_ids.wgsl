// Rows that are not looked up.

fn row_id(row: u32) -> u32 {
    return row;
}
