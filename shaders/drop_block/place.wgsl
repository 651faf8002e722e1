// DropBlock's seeds where their blocks begin: bit j of the output is 1 where element j is a block's lowest corner and
// its seed fires. The seeds come as the keep mask of the array (masks, seeds.z, seeds.y, seeds.x); a row of elements is
// longer than one of seeds, and what is past the seeds is 0. So a shift by any distance inside of a block stays in the
// plane.
// parameters: places: Places

struct Places {
    size: vec3<u32>,     // of a plane: width, height, depth
    words: u32,          // of the dispatch's output
    seeds: vec3<u32>,    // of a plane: in a row, rows, and slabs of rows
    elements: u32,       // bits of the output that are elements
    first: vec3<u32>,    // where in its plane the first element lies
    first_plane: u32,    // its plane
    base: u32,           // the bit of plane 0's first seed in the input's binding, modulo 2^32
    mask_seeds: u32,     // seeds of a mask, modulo 2^32
    output_offset: u32,  // words
    writes_keep: u32,    // 1: the packed keep mask instead, where a block is one element
    own: vec4<u32>,      // the axes of planes, innermost pair first: those with masks of their own
    sharing: vec4<u32>,  // and those that share them
}

// Where a plane's seeds begin in the input's binding.
fn first_seed(plane: u32) -> u32 {
    let places = parameters.places;
    if !PLANES_SHARE_MASKS {
        return places.base + plane * places.mask_seeds;
    }
    var rest = plane;
    var number = 0u;
    var stride = 1u;
    for (var i = 0u; i < 4u; i++) {
        rest /= places.sharing[i];
        number += rest % places.own[i] * stride;
        rest /= places.own[i];
        stride *= places.own[i];
    }
    return places.base + number * places.mask_seeds;
}

// 32 decisions from a bit of the input's binding on.
fn kept_from(bit: u32) -> u32 {
    let word = bit / 32u;
    let shift = bit % 32u;
    // Two shifts, because one by 32 is not defined.
    return (input_word(word) >> shift) | ((input_word(word + 1u) << (31u - shift)) << 1u);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let places = parameters.places;
    let number = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE + invocation;
    var word = number * WORDS_PER_INVOCATION;
    if word >= places.words {
        return;
    }
    let end = min(word + WORDS_PER_INVOCATION, places.words);
    var x = places.first.x + word * 32u;
    var y = places.first.y + x / places.size.x;
    x %= places.size.x;
    var z = places.first.z + y / places.size.y;
    y %= places.size.y;
    var plane = places.first_plane + z / places.size.z;
    z %= places.size.z;
    var row = first_seed(plane) + (z * places.seeds.y + y) * places.seeds.x;
    var bits = 0u;
    var filled = 0u;
    // A part of a row that lies in one word, each time.
    loop {
        let count = min(32u - filled, places.size.x - x);
        let has_seeds = x < places.seeds.x && y < places.seeds.y && z < places.seeds.z;
        let seeds = select(0u, min(count, places.seeds.x - x), has_seeds);
        let fires = ~kept_from(row + x) & ((1u << (seeds & 31u)) - 1u);
        let all_fires = ~kept_from(row + x);
        bits |= select(fires, all_fires, seeds == 32u) << filled;
        filled += count;
        x += count;
        if x == places.size.x {
            x = 0u;
            y += 1u;
            row += places.seeds.x;
            if y == places.size.y {
                y = 0u;
                z += 1u;
                if z == places.size.z {
                    z = 0u;
                    plane += 1u;
                }
                row = first_seed(plane) + z * places.seeds.y * places.seeds.x;
            }
        }
        if filled == 32u {
            if places.writes_keep == 1u {
                let used = min(places.elements - word * 32u, 32u);
                bits = ~bits & (0xffffffffu >> (32u - used));
            }
            store_output_word(places.output_offset + word, bits);
            word += 1u;
            if word == end {
                break;
            }
            bits = 0u;
            filled = 0u;
        }
    }
}
