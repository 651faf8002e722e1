// Strides: which decision, or normal, governs an element. Coordinates are taken in the local shape, and each adds as many
// decisions as its stride says. The host has merged neighbouring axes, and sees to it that positions fit 32 bits.
// needs: random/keep_rule, random/product_64, random/quotient, row_ids
// parameters: strides: Strides

struct Axis {
    stride: vec2<u32>, // decisions from one coordinate to the next
    elements: u32,     // and elements
    reciprocal: u32,   // of these, for a division by multiplying
}

struct Strides {
    inner_stride: vec2<u32>,
    inner_extent: u32,
    first: u32, // position of the dispatch's first element in the local shape
    outer: array<Axis, OUTER_AXES>,
}

// Where an element is.
struct Place {
    index: vec2<u32>, // of what governs it
    left: u32,        // elements from it on to the end of its row along the innermost axis
}

// The place of the dispatch's element so many after its first.
fn place_of(start: vec2<u32>, element: u32) -> Place {
    var rest = parameters.strides.first + element;
    var index = start;
    for (var axis = 0u; axis < OUTER_AXES; axis++) {
        let outer = parameters.strides.outer[axis];
        var coordinate = quotient(rest, outer.elements, outer.reciprocal);
        rest -= coordinate * outer.elements;
        if GATHERED && axis == 0u {
            coordinate = row_id(coordinate);
        }
        index = add_product_64(index, outer.stride, coordinate);
    }
    let left = parameters.strides.inner_extent - rest;
    if INNER_IS_SHARED {
        return Place(index, left);
    }
    if INNER_IS_DENSE {
        return Place(dropout_add_64(index, rest), left);
    }
    // Each element by itself.
    return Place(add_product_64(index, parameters.strides.inner_stride, rest), 1u);
}
