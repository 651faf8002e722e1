// Two neighbouring rows for an invocation, of an even number of classes each: together they are units of four, and begin at
// multiples of four.
// needs: four_values

const ROWS = 2u;

alias Pairs = array<vec2<f32>, 2u * PAIRS>;

fn input_rows(first: u32) -> Pairs {
    var rows: Pairs;
    for (var i = 0u; i < PAIRS; i++) {
        let four = input_four(first / 4u + i);
        rows[2u * i] = four.xy;
        rows[2u * i + 1u] = four.zw;
    }
    return rows;
}

fn probability_rows(first: u32) -> Pairs {
    var rows: Pairs;
    for (var i = 0u; i < PAIRS; i++) {
        let four = bitcast<vec4<f32>>(probability_quad(first / 4u + i));
        rows[2u * i] = four.xy;
        rows[2u * i + 1u] = four.zw;
    }
    return rows;
}

fn store_probability_rows(first: u32, rows: Pairs) {
    var x = rows;
    for (var i = 0u; i < PAIRS; i++) {
        store_probability_quad(first / 4u + i, bitcast<vec4<u32>>(vec4<f32>(x[2u * i], x[2u * i + 1u])));
    }
}
