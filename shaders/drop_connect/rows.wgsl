// Which weights are kept. The decisions for one output of one example are neighbours, a row of as many as there are inputs.
// A dispatch counts rows by two coordinates, and strides say how many decisions are between them.
// needs: key, random/keep_bits, random/product_64

fn weight_scale() -> f32 {
    return keyed_rule().scale;
}

// The rule from a decision of a row on.
fn rule_of_row(strides: vec4<u32>, row: vec2<u32>, element: u32) -> DropoutKeepRule {
    let rule = keyed_rule();
    let start = add_product_64(add_product_64(rule.start, strides.xy, row.x), strides.zw, row.y);
    return DropoutKeepRule(rule.seed, rule.stream, dropout_add_64(start, element), rule.threshold, rule.scale);
}

// What a walk along a row keeps from step to step.
struct RowBits {
    bits: u32,    // the decisions of the 32 elements before the step's end
    carried: u32, // random bits that begin inside of the next step
}

// The next decisions of a row, in whole blocks of random numbers wherever the row begins. Step 0 only fetches the first ones
// where ROWS_ARE_ALIGNED does not say that rows begin at multiples of 32; step s has the elements from 32 (s - 1) on.
fn next_of_row(strides: vec4<u32>, row: vec2<u32>, step: u32, carried: u32) -> RowBits {
    var rule = rule_of_row(strides, row, 0u);
    if ROWS_ARE_ALIGNED {
        return RowBits(dropout_keep_bits(rule, 32u * (step - 1u)), 0u);
    }
    let inside = rule.start.x & 31u;
    rule.start.x -= inside;
    let bits = dropout_keep_bits(rule, 32u * step);
    // Two shifts, because one by 32 is not defined.
    return RowBits((carried >> inside) | ((bits << (31u - inside)) << 1u), bits);
}

// 32 decisions of a row from an element on. Its rule's start is aligned where DROPOUT_START_IS_ALIGNED says so.
fn part_of_row(strides: vec4<u32>, row: vec2<u32>, element: u32) -> u32 {
    return dropout_keep_bits(rule_of_row(strides, row, element), 0u);
}
