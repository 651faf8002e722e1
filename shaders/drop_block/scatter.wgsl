// Drops the blocks of seeds that fire, one after the other, from a packed keep mask: for seeds that fire rarely. The
// seeds come as the keep mask of the array (planes, seeds.z, seeds.y, seeds.x). An invocation looks at neighbouring
// words of them, of which the input's range begins at a multiple of 16 bytes.
// parameters: scatter: Scatter

struct Scatter {
    size: vec3<u32>,      // of a plane: width, height, depth
    words: u32,           // of seeds, of the dispatch
    seeds: vec3<u32>,     // of a plane: in a row, rows, and slabs of rows
    count: u32,           // seeds of the dispatch
    first: vec3<u32>,     // where in its plane the first seed lies
    input_bit: u32,       // its bit in the input's binding
    block: vec3<u32>,     // width, height, depth
    output_words: u32,    // that blocks are dropped from
    first_element: u32,   // from the output's first bit to the first seed's plane, modulo 2^32
    output_offset: u32,   // words
    unused: vec2<u32>,
}

// Drops `count` elements from a bit of the output on, as far as it has them.
fn drop_elements(bit: u32, count: u32) {
    var first = bit;
    var left = count;
    // Left at its end, because devices that compute in lanes run a body once more for a condition at the start.
    loop {
        let shift = first % 32u;
        let dropped = min(left, 32u - shift);
        // What lies before the output has wrapped, and is far after it.
        let word = first / 32u;
        if word < parameters.scatter.output_words {
            let bits = (0xffffffffu >> (32u - dropped)) << shift;
            clear_output_bits(parameters.scatter.output_offset + word, bits);
        }
        first += dropped;
        left -= dropped;
        if left == 0u {
            break;
        }
    }
}

fn drop_block(seed: u32) {
    let scatter = parameters.scatter;
    var x = scatter.first.x + seed;
    // Divisions are what costs most on CPUs: none for the remainders.
    let rows = x / scatter.seeds.x;
    x -= rows * scatter.seeds.x;
    var y = scatter.first.y + rows;
    let slabs = y / scatter.seeds.y;
    y -= slabs * scatter.seeds.y;
    var z = scatter.first.z + slabs;
    // Planes follow each other as slabs do.
    z += z / scatter.seeds.z * (scatter.size.z - scatter.seeds.z);
    let corner = scatter.first_element + (z * scatter.size.y + y) * scatter.size.x + x;
    var slab = 0u;
    var row = 0u;
    loop {
        drop_elements(corner + (slab * scatter.size.y + row) * scatter.size.x, scatter.block.x);
        row += 1u;
        if row == scatter.block.y {
            row = 0u;
            slab += 1u;
        }
        if slab == scatter.block.z {
            break;
        }
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let scatter = parameters.scatter;
    let number = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + invocation;
    let word = number * WORDS_PER_INVOCATION;
    let first = scatter.input_bit / 32u / 4u * 4u + word;
    // Which of the words have seeds that fire: first for all words, because devices that compute in lanes wait for the
    // last one in every turn of a loop.
    var firing = vec4<u32>(0u);
    for (var i = 0u; i < WORDS_PER_INVOCATION / 4u; i++) {
        let fires = input_quad(first / 4u + i) != vec4<u32>(0xffffffffu);
        firing |= select(vec4<u32>(0u), vec4<u32>(1u << i), fires);
    }
    var fires = 0u;
    var at = 0u;
    // Words past the end are of the next invocation, or of none.
    var any = select(0u, firing.x | firing.y | firing.z | firing.w, word < scatter.words);
    if any == 0u {
        return;
    }
    loop {
        if fires == 0u {
            let quad = firstTrailingBit(any);
            let which = (firing >> vec4<u32>(quad)) & vec4<u32>(1u);
            at = firstTrailingBit(which.x | (which.y << 1u) | (which.z << 2u) | (which.w << 3u));
            firing[at] &= ~(1u << quad);
            at += quad * 4u;
            fires = ~input_word(first + at);
            any = firing.x | firing.y | firing.z | firing.w;
        }
        // Bits before the first seed have wrapped, and are no seeds, as those after the last.
        let seed = (word + at) * 32u + firstTrailingBit(fires) - scatter.input_bit % 128u;
        fires &= fires - 1u;
        if seed < scatter.count {
            drop_block(seed);
        }
        if (fires | any) == 0u {
            break;
        }
    }
}
