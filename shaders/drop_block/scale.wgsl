// Adds the numbers that drop_block/count.wgsl wrote, in 64 bits, and divides: the header of the scratch gets the count,
// and as the word after it the scale elements / kept, rounded to nearest even once; 0 where nothing is kept. One
// workgroup.
// parameters: counts: Counts

struct Counts {
    words: u32,         // numbers in the input
    input_offset: u32,  // words before them in their binding
    output_offset: u32, // words before the header in its binding
    is_first: u32,      // 1: nothing was counted before
    elements: vec2<u32>, // of the call, low word first
    unused: vec2<u32>,
}

var<workgroup> sums: array<vec2<u32>, WORKGROUP_SIZE>;

fn add(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < b.x));
}

fn subtract(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

fn is_below(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn double(a: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x << 1u, (a.y << 1u) | (a.x >> 31u));
}

// elements / kept as the bits of an f32. No more are kept than there are.
fn fraction(elements: vec2<u32>, kept: vec2<u32>) -> u32 {
    if all(kept == vec2<u32>(0u)) {
        return 0u;
    }
    var divisor = kept;
    var exponent = 127u;
    // While its double is not above: the subtraction tells without a carry.
    while !is_below(subtract(elements, divisor), divisor) {
        divisor = double(divisor);
        exponent += 1u;
    }
    // 23 bits after the point, by long division.
    var rest = subtract(elements, divisor);
    var mantissa = 0u;
    for (var i = 0u; i < 23u; i++) {
        // Its double is at least the divisor, which has no 65 bits where its double may have.
        let one = !is_below(rest, subtract(divisor, rest));
        mantissa = (mantissa << 1u) | select(0u, 1u, one);
        rest = select(double(rest), subtract(rest, subtract(divisor, rest)), one);
    }
    let other = subtract(divisor, rest);
    let up = is_below(other, rest) || (all(other == rest) && (mantissa & 1u) == 1u);
    // A carry runs into the exponent.
    return (exponent << 23u) + mantissa + select(0u, 1u, up);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) invocation: u32) {
    let counts = parameters.counts;
    var sum = vec2<u32>(0u);
    for (var i = invocation; i < counts.words; i += WORKGROUP_SIZE) {
        sum = add(sum, vec2<u32>(input_word(counts.input_offset + i), 0u));
    }
    sums[invocation] = sum;
    workgroupBarrier();
    if invocation == 0u {
        for (var i = 1u; i < WORKGROUP_SIZE; i++) {
            sum = add(sum, sums[i]);
        }
        let header = counts.output_offset;
        if counts.is_first == 0u {
            sum = add(sum, vec2<u32>(output_word(header), output_word(header + 1u)));
        }
        store_output_word(header, sum.x);
        store_output_word(header + 1u, sum.y);
        store_output_word(header + 2u, fraction(counts.elements, sum));
    }
}
