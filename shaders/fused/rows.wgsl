// Row keep, for runs of elements that may touch several rows.
// needs: kernel/elements, fused/columns, fused/row_rule

// As many bits as there are of the elements from a position on. The run may begin before the range.
fn row_bits(position: u32) -> u32 {
    var keep = 0u;
    var done = max(position, lead()) - position;
    while done < RUN {
        let element = position + done - lead();
        let count = min(RUN - done, parameters.columns.count - column_of(element));
        let bits = select(0u, 0xffffffffu, keeps_row(row_of(element)));
        keep |= (bits & (0xffffffffu >> (32u - count))) << done;
        done += count;
    }
    return keep;
}
