// The gradient of softmax and dropout, from their input: dx = factor p (dp - sum of p dp), where p is the softmax, computed
// again, and dp the gradient of dropout.
// needs: kernel/elements, softmax/rows, lanes, keep, mask_scale, input_eight

// The gradient that dropout lets through, from a position on.
fn kept_gradient(row: Row, position: u32, keep: Kept) -> Eight {
    let dy = gradient_eight(parameters.elements.other_offset + row.first - row.lead + position);
    let scale = mask_scale();
    var kept = keep;
    if MASKED {
        // Elements outside of the row are some other row's, or nobody's.
        let seen = kept_bits(bits_between(row.lead, row.seen, position));
        kept = Kept(keep.first & seen.first, keep.second & seen.second);
    }
    return Eight(
        bitcast<vec4<f32>>(select(vec4<u32>(0u), bitcast<vec4<u32>>(dy.first * scale), kept.first)),
        bitcast<vec4<f32>>(select(vec4<u32>(0u), bitcast<vec4<u32>>(dy.second * scale), kept.second)),
    );
}

// Sums of exponentials, alone and with the gradient.
struct Sums {
    e: Sum,
    g: Sum,
}

fn add_unit(sums: Sums, row: Row, position: u32, x: Eight, base: f32, keep: Kept) -> Sums {
    let e = exponentials(x, base);
    let g = kept_gradient(row, position, keep);
    return Sums(add(sums.e, e.first + e.second), add(sums.g, e.first * g.first + e.second * g.second));
}

// What the gradients of a row have in common.
struct OfRow {
    base: f32,
    inverse: f32, // of the sum of exponentials
    mean: f32,    // of the gradient
}

fn write_unit(row: Row, position: u32, x: Eight, of_row: OfRow, keep: Kept) {
    let e = exponentials(x, of_row.base);
    let g = kept_gradient(row, position, keep);
    let factor = parameters.softmax.factor;
    let dx = Eight(
        e.first * of_row.inverse * (g.first - of_row.mean) * factor,
        e.second * of_row.inverse * (g.second - of_row.mean) * factor,
    );
    let to = parameters.elements.output_offset + row.first - row.lead + position;
    if !MASKED || position < row.end {
        let seen = kept_bits(select(255u, bits_between(row.lead, row.seen, position), MASKED));
        store_eight(to, dx, seen, bits_between(row.lead, row.end, position));
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    parameters = given;
    let row = row_of(workgroup_number(workgroup, workgroups), invocation);
    let lane = invocation % LANES;
    var base = LOWEST;
    let nothing = Sum(vec4<f32>(0.0), vec4<f32>(0.0));
    var sums = Sums(nothing, nothing);
    for (var tile = 0u; tile < end_of_tiles(row.seen); tile += TILE) {
        let x = tile_numbers(row, tile, lane);
        let keep = decide_tile(row, tile, invocation);
        let next = next_base(base, greatest(x));
        // A loop, because software devices execute the body of a branch for lanes that do not take it.
        while base != next {
            let factor = powers(vec4<f32>(base), next).x;
            sums = Sums(scaled(sums.e, factor), scaled(sums.g, factor));
            base = next;
        }
        sums = add_unit(sums, row, unit_position(tile, lane, 0u), x.a, base, kept_of_unit(row, tile, keep, invocation, 0u));
        sums = add_unit(sums, row, unit_position(tile, lane, 1u), x.b, base, kept_of_unit(row, tile, keep, invocation, 1u));
        sums = add_unit(sums, row, unit_position(tile, lane, 2u), x.c, base, kept_of_unit(row, tile, keep, invocation, 2u));
        sums = add_unit(sums, row, unit_position(tile, lane, 3u), x.d, base, kept_of_unit(row, tile, keep, invocation, 3u));
    }
    let most = row_greatest(base, invocation);
    let factor = powers(vec4<f32>(base), most).x;
    let all = row_total(total(sums.e) * factor, invocation);
    let inverse = select(1.0 / all, 0.0, all == 0.0);
    let of_row = OfRow(most, inverse, row_total(total(sums.g) * factor, invocation) * inverse);
    for (var tile = 0u; tile < end_of_tiles(row.end); tile += TILE) {
        let x = tile_numbers(row, tile, lane);
        let keep = decide_tile(row, tile, invocation);
        write_unit(row, unit_position(tile, lane, 0u), x.a, of_row, kept_of_unit(row, tile, keep, invocation, 0u));
        write_unit(row, unit_position(tile, lane, 1u), x.b, of_row, kept_of_unit(row, tile, keep, invocation, 1u));
        write_unit(row, unit_position(tile, lane, 2u), x.c, of_row, kept_of_unit(row, tile, keep, invocation, 2u));
        write_unit(row, unit_position(tile, lane, 3u), x.d, of_row, kept_of_unit(row, tile, keep, invocation, 3u));
    }
}
