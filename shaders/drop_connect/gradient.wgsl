// Either gradient of a product where a part of the weights is dropped. The rows of the gradient are examples, and what is summed
// over are outputs, with the weights as the factors; or the rows are outputs, and what is summed over are examples, with the
// inputs as the factors. An invocation computes 32 neighbours, which one word of random bits decides, of 4 rows or, where
// FOUR_ROWS does not say so, of one.
// needs: kernel/invocation, rows, tensor, store
// parameters: slope: Slope

struct Slope {
    strides: vec4<u32>,   // decisions from row to row and from term to term
    rows: u32,            // of the dispatch
    terms: u32,           // of a sum
    inputs: u32,          // elements of a row
    tiles: u32,           // of a row
    factors_offset: u32,  // elements before the first in each binding
    gradient_offset: u32,
    output_offset: u32,
    row_pitch: u32,       // elements of the gradient of the product from row to row
    term_pitch: u32,      // and from term to term
    unused_0: u32,
    unused: vec2<u32>,
}

// Those of four terms whose bit, bits 0 to 3, is set; +0 for the others, even where they are infinite or NaN.
fn kept(terms: vec4<f32>, bits: u32) -> vec4<f32> {
    if !MASKED {
        return terms;
    }
    let keep = (vec4<i32>(bitcast<i32>(bits)) << vec4<u32>(31u, 30u, 29u, 28u)) >> vec4<u32>(31u);
    return bitcast<vec4<f32>>(bitcast<vec4<i32>>(terms) & keep);
}

// Terms of four neighbours, a column a row.
fn terms_of(factors: vec4<f32>, gradients: vec4<f32>, bits: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        kept(factors * gradients.x, bits.x), kept(factors * gradients.y, bits.y),
        kept(factors * gradients.z, bits.z), kept(factors * gradients.w, bits.w),
    );
}

fn factors_of(term: u32, element: u32) -> vec4<f32> {
    let inputs = parameters.slope.inputs;
    let left = max(element, inputs) - element;
    // Past the end of the row it is the row's beginning, and not looked at.
    let at = parameters.slope.factors_offset + term * inputs + select(0u, element, left > 0u);
    return other_vec4(at, left);
}

fn gradient_of(row: u32, term: u32) -> f32 {
    let last = parameters.slope.rows - 1u;
    let at = min(row, last) * parameters.slope.row_pitch + term * parameters.slope.term_pitch;
    return gradient_element(parameters.slope.gradient_offset + at);
}

fn gradients_of(row: u32, term: u32) -> vec4<f32> {
    if FOUR_ROWS {
        return vec4<f32>(
            gradient_of(row, term), gradient_of(row + 1u, term), gradient_of(row + 2u, term), gradient_of(row + 3u, term),
        );
    }
    return vec4<f32>(gradient_of(row, term), 0.0, 0.0, 0.0);
}

fn bits_of(row: u32, rows: u32, term: u32, element: u32) -> vec4<u32> {
    var bits = vec4<u32>(0u);
    if ONE_MASK_OF_ROWS {
        return vec4<u32>(part_of_row(parameters.slope.strides, vec2<u32>(row, term), element));
    }
    for (var r = 0u; r < rows; r++) {
        bits[r] = part_of_row(parameters.slope.strides, vec2<u32>(row + r, term), element);
    }
    return bits;
}

fn store_sums(row: u32, rows: u32, element: u32, sums: mat4x4<f32>) {
    let inputs = parameters.slope.inputs;
    if element < inputs {
        for (var r = 0u; r < rows; r++) {
            let at = parameters.slope.output_offset + (row + r) * inputs + element;
            var sum = sums[0];
            if FOUR_ROWS {
                sum = select(select(sums[3], sums[2], r == 2u), select(sums[1], sums[0], r == 0u), r < 2u);
            }
            if ADDS {
                sum += stored_output_vec4(at, inputs - element);
            }
            store_output_vec4(at, sum, inputs - element);
        }
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    parameters = given;
    let tile = invocation_number(workgroup, workgroups, invocation);
    let row = tile / parameters.slope.tiles * ROWS_PER_TILE;
    let element = tile % parameters.slope.tiles * 32u;
    if row >= parameters.slope.rows {
        return;
    }
    let rows = min(parameters.slope.rows - row, ROWS_PER_TILE);
    let scale = weight_scale();
    var sums_0 = mat4x4<f32>();
    var sums_1 = mat4x4<f32>();
    var sums_2 = mat4x4<f32>();
    var sums_3 = mat4x4<f32>();
    var sums_4 = mat4x4<f32>();
    var sums_5 = mat4x4<f32>();
    var sums_6 = mat4x4<f32>();
    var sums_7 = mat4x4<f32>();
    var bits = vec4<u32>(0u);
    if MASKED && ONE_MASK_OF_TERMS {
        bits = bits_of(row, rows, 0u, element);
    }
    for (var term = 0u; term < parameters.slope.terms; term++) {
        if MASKED && !ONE_MASK_OF_TERMS {
            bits = bits_of(row, rows, term, element);
        }
        let gradients = gradients_of(row, term) * scale;
        sums_0 += terms_of(factors_of(term, element), gradients, bits);
        sums_1 += terms_of(factors_of(term, element + 4u), gradients, bits >> vec4<u32>(4u));
        sums_2 += terms_of(factors_of(term, element + 8u), gradients, bits >> vec4<u32>(8u));
        sums_3 += terms_of(factors_of(term, element + 12u), gradients, bits >> vec4<u32>(12u));
        sums_4 += terms_of(factors_of(term, element + 16u), gradients, bits >> vec4<u32>(16u));
        sums_5 += terms_of(factors_of(term, element + 20u), gradients, bits >> vec4<u32>(20u));
        sums_6 += terms_of(factors_of(term, element + 24u), gradients, bits >> vec4<u32>(24u));
        sums_7 += terms_of(factors_of(term, element + 28u), gradients, bits >> vec4<u32>(28u));
    }
    store_sums(row, rows, element, sums_0);
    store_sums(row, rows, element + 4u, sums_1);
    store_sums(row, rows, element + 8u, sums_2);
    store_sums(row, rows, element + 12u, sums_3);
    store_sums(row, rows, element + 16u, sums_4);
    store_sums(row, rows, element + 20u, sums_5);
    store_sums(row, rows, element + 24u, sums_6);
    store_sums(row, rows, element + 28u, sums_7);
}
