// Softmax and dropout of rows: once over a row for its maximum and its sum, and once more for what is written.
// needs: kernel/elements, softmax/rows, lanes, keep, mask_scale, input_eight

fn sum_of(x: Eight, y: Eight) -> vec4<f32> {
    return (x.first + x.second) + (y.first + y.second);
}

fn write_unit(row: Row, position: u32, x: Eight, base: f32, scale: f32, kept: Kept) {
    let e = exponentials(x, base);
    let y = Eight(e.first * scale, e.second * scale);
    let to = parameters.elements.output_offset + row.first - row.lead + position;
    if !MASKED || position < row.end {
        store_eight(to, y, kept, bits_between(row.lead, row.end, position));
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
    var sum = Sum(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var tile = 0u; tile < row.seen; tile += TILE) {
        let x = tile_numbers(row, tile, lane);
        let next = next_base(base, greatest(x));
        // A loop, because software devices execute the body of a branch for lanes that do not take it.
        while base != next {
            sum = scaled(sum, powers(vec4<f32>(base), next).x);
            base = next;
        }
        let low = sum_of(exponentials(x.a, base), exponentials(x.b, base));
        let high = sum_of(exponentials(x.c, base), exponentials(x.d, base));
        sum = add(sum, low + high);
    }
    let most = row_greatest(base, invocation);
    let all = row_total(total(sum) * powers(vec4<f32>(base), most).x, invocation);
    // A row that sees nothing, or nothing but minus infinities, has no sum.
    let scale = select(mask_scale() / all, 0.0, all == 0.0);
    for (var tile = 0u; tile < end_of_tiles(row.end); tile += TILE) {
        let x = tile_numbers(row, tile, lane);
        let keep = decide_tile(row, tile, invocation);
        write_unit(row, unit_position(tile, lane, 0u), x.a, most, scale, kept_of_unit(row, tile, keep, invocation, 0u));
        write_unit(row, unit_position(tile, lane, 1u), x.b, most, scale, kept_of_unit(row, tile, keep, invocation, 1u));
        write_unit(row, unit_position(tile, lane, 2u), x.c, most, scale, kept_of_unit(row, tile, keep, invocation, 2u));
        write_unit(row, unit_position(tile, lane, 3u), x.d, most, scale, kept_of_unit(row, tile, keep, invocation, 3u));
    }
}
