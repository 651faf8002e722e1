// The rows of a softmax, and how they are walked over: LANES invocations share a row, and take it in tiles of 32 positions
// each. A position counts elements from the start of the row's first output word, so that no two invocations of a row write
// to one word; rows that share a word are in dispatches of their own.
// needs: kernel/elements, eight, operation/rounded
// parameters: softmax: SoftmaxRows

struct SoftmaxRows {
    columns: u32,  // elements of a row
    first: u32,    // the first row of the dispatch, counted from where the ranges begin
    step: u32,     // from one row to the next
    queries: u32,  // rows of a matrix; 1 where all see the same
    query: u32,    // the first row where the ranges begin, in its matrix
    visible: i32,  // elements that query 0 sees; each query sees one more
    sign: u32,     // the sign bit, where the factor is negative
    zero: u32,     // always 0: see operation/rounded
    exponent: f32, // the factor's magnitude by log2(e)
    margin: f32,   // how much the numbers may exceed what is subtracted from them
    factor: f32,
    unused: u32,
}

// Positions are what the decisions count; they have no lead.
const ELEMENTS_PER_WORD = 1u;
const TILE = 32u * LANES;
const LOWEST = -0x1.fffffep+127f;

struct Row {
    first: u32, // its first element, counted from where the ranges begin
    lead: u32,  // positions before that
    seen: u32,  // positions until the elements end that it sees
    end: u32,   // and until all end
}

fn row_of(workgroup: u32, invocation: u32) -> Row {
    let rows = parameters.softmax;
    let number = workgroup * (WORKGROUP_SIZE / LANES) + invocation / LANES;
    if number >= parameters.elements.count {
        return Row(0u, 0u, 0u, 0u);
    }
    let row = rows.first + number * rows.step;
    let first = row * rows.columns;
    let lead = (parameters.elements.output_offset + first) % PER_WORD;
    let query = bitcast<i32>((rows.query + row) % rows.queries);
    let seen = clamp(rows.visible + query, 0, bitcast<i32>(rows.columns));
    return Row(first, lead, lead + bitcast<u32>(seen), lead + rows.columns);
}

// Bits of the eight positions from one on that lie before an end.
fn bits_before(end: u32, position: u32) -> u32 {
    let count = clamp(bitcast<i32>(end) - bitcast<i32>(position), 0, 8);
    return (1u << bitcast<u32>(count)) - 1u;
}

fn bits_between(start: u32, end: u32, position: u32) -> u32 {
    return bits_before(end, position) & ~bits_before(start, position);
}

// The four times eight positions of an invocation in a tile: neighbouring invocations have neighbouring ones.
fn unit_position(tile: u32, lane: u32, unit: u32) -> u32 {
    return tile + (unit * LANES + lane) * 8u;
}

// The numbers of which the softmax is, from a position on: where a row does not see them, minus infinity.
fn numbers(row: Row, position: u32) -> Eight {
    let x = input_eight(parameters.elements.input_offset + row.first - row.lead + position);
    let sign = vec4<u32>(parameters.softmax.sign);
    let first = bitcast<vec4<u32>>(x.first) ^ sign;
    let second = bitcast<vec4<u32>>(x.second) ^ sign;
    if !MASKED {
        return Eight(bitcast<vec4<f32>>(first), bitcast<vec4<f32>>(second));
    }
    let seen = bits_between(row.lead, row.seen, position);
    // As a constant it would not be a number of WGSL.
    let infinity = vec4<u32>(0xff800000u ^ parameters.softmax.zero);
    return Eight(
        bitcast<vec4<f32>>(select(infinity, first, first_of(seen))),
        bitcast<vec4<f32>>(select(infinity, second, second_of(seen))),
    );
}

struct Four {
    a: Eight,
    b: Eight,
    c: Eight,
    d: Eight,
}

fn tile_numbers(row: Row, tile: u32, lane: u32) -> Four {
    return Four(
        numbers(row, unit_position(tile, lane, 0u)), numbers(row, unit_position(tile, lane, 1u)),
        numbers(row, unit_position(tile, lane, 2u)), numbers(row, unit_position(tile, lane, 3u)),
    );
}

fn greater(x: Eight, y: Eight) -> vec4<f32> {
    return max(max(x.first, x.second), max(y.first, y.second));
}

fn greatest(x: Four) -> f32 {
    let most = max(greater(x.a, x.b), greater(x.c, x.d));
    return max(max(most.x, most.y), max(most.z, most.w));
}

// What is subtracted from the numbers: not always their maximum, but at most the margin below it. So it seldom changes,
// sums need not be scaled again for every new maximum, and the rounding errors of that do not add up.
fn next_base(base: f32, most: f32) -> f32 {
    return select(base, most, most > base + parameters.softmax.margin);
}

// The difference comes first: it is exact where numbers are near to each other, and a product of large ones is not.
fn powers(x: vec4<f32>, base: f32) -> vec4<f32> {
    return exp2((x - vec4<f32>(base)) * parameters.softmax.exponent);
}

fn exponentials(x: Eight, base: f32) -> Eight {
    return Eight(powers(x.first, base), powers(x.second, base));
}

// A sum with what rounding took from it (Kahan, CACM 8, 1965).
struct Sum {
    value: vec4<f32>,
    excess: vec4<f32>,
}

fn add(sum: Sum, x: vec4<f32>) -> Sum {
    let more = x - sum.excess;
    let value = rounded(sum.value + more, parameters.softmax.zero);
    return Sum(value, (value - sum.value) - more);
}

fn scaled(sum: Sum, factor: f32) -> Sum {
    return Sum(sum.value * factor, sum.excess * factor);
}

fn total(sum: Sum) -> f32 {
    let parts = sum.value - sum.excess;
    return (parts.x + parts.y) + (parts.z + parts.w);
}
