// One row of classes for an invocation, read class by class: rows of any number of classes begin anywhere.
// needs: value

const ROWS = 1u;

alias Pairs = array<vec2<f32>, PAIRS>;

// Only the last pair may have but one class, which it has twice then.
fn input_rows(first: u32) -> Pairs {
    let to_last = select(0u, 1u, parameters.accumulation.classes == 2u * PAIRS);
    var rows: Pairs;
    for (var pair = 0u; pair < PAIRS; pair++) {
        let at = first + 2u * pair;
        let step = select(1u, to_last, pair == PAIRS - 1u);
        rows[pair] = vec2<f32>(input_value(at), input_value(at + step));
    }
    return rows;
}

fn probability_rows(first: u32) -> Pairs {
    var rows: Pairs;
    for (var pair = 0u; pair < PAIRS; pair++) {
        for (var i = 0u; i < 2u; i++) {
            let class_i = 2u * pair + i;
            if class_i < parameters.accumulation.classes {
                rows[pair][i] = bitcast<f32>(probability_word(first + class_i));
            }
        }
    }
    return rows;
}

fn store_probability_rows(first: u32, rows: Pairs) {
    var x = rows;
    for (var pair = 0u; pair < PAIRS; pair++) {
        for (var i = 0u; i < 2u; i++) {
            let class_i = 2u * pair + i;
            if class_i < parameters.accumulation.classes {
                store_probability_word(first + class_i, bitcast<u32>(x[pair][i]));
            }
        }
    }
}
