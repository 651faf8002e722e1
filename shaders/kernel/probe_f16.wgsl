// Compares the device's own conversions between f16 and f32 with those in integer arithmetic: of every f16, of every
// boundary between two of them and its neighbours, and of products.
// needs: storage/f16_integer, storage/f16_native
// parameters: probe: Probe

struct Probe {
    scales: vec4<f32>, // among the parameters, so that nothing is computed before
}

const VALUES_PER_INVOCATION = 64u;

fn same_f32(a: f32, b: f32) -> bool {
    let bits = vec2<u32>(bitcast<u32>(a), bitcast<u32>(b));
    let both_nan = all((bits & vec2<u32>(0x7fffffffu)) > vec2<u32>(0x7f800000u));
    return bits.x == bits.y || both_nan;
}

// How many of the four words have a half that differs.
fn different(a: vec4<u32>, b: vec4<u32>) -> u32 {
    let both_nan = ((a & vec4<u32>(0x7fffu)) > vec4<u32>(0x7c00u)) & ((b & vec4<u32>(0x7fffu)) > vec4<u32>(0x7c00u));
    let wrong = select(vec4<u32>(0u), vec4<u32>(1u), (a != b) & !both_nan);
    return wrong.x + wrong.y + wrong.z + wrong.w;
}

fn different_pairs(packed: vec4<u32>, low: vec4<f32>, high: vec4<f32>) -> u32 {
    return different(packed & vec4<u32>(0xffffu), narrow_f16(low)) + different(packed >> vec4<u32>(16u), narrow_f16(high));
}

// How many of the 18 comparisons for this f16 fail.
fn check(half: u32) -> u32 {
    let all_kept = vec4<bool>(true);
    // Another in the upper half of the word, so that the two cannot be confused.
    let other = 0xffffu - half;
    let word = vec4<u32>(half | (other << 16u));
    let low = widen_f16(vec4<u32>(half));
    let high = widen_f16(vec4<u32>(other));
    var wrong = select(1u, 0u, same_f32(widen_low(word).x, low.x)) + select(1u, 0u, same_f32(widen_high(word).x, high.x));

    // The next f16, or what would follow the largest, and the middle between the two: exact in f32.
    let magnitude = half & 0x7fffu;
    let next = select(widen_f16(vec4<u32>(magnitude + 1u)).x, 65536.0, magnitude == 0x7bffu);
    let sign = (half & 0x8000u) << 16u;
    let value = bitcast<u32>(low.x);
    let middle = bitcast<u32>((bitcast<f32>(value & 0x7fffffffu) + next) * 0.5) | sign;
    let smaller = select(value - 1u, value, magnitude == 0u);
    let first = bitcast<vec4<f32>>(vec4<u32>(smaller, value, value + 1u, middle - 1u));
    let second = bitcast<vec4<f32>>(vec4<u32>(middle, middle + 1u, value ^ 0x80000000u, middle ^ 0x80000000u));
    wrong += different_pairs(narrow_kept(first, second, all_kept, all_kept), first, second);

    let scales = parameters.probe.scales;
    let scaled = narrow_kept(widen_low(word) * scales, widen_high(word) * scales, all_kept, all_kept);
    return wrong + different_pairs(scaled, low * scales, high * scales);
}

// The high half of a word of the output counts comparisons, the low half those that failed.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let number = workgroup.x * WORKGROUP_SIZE + invocation;
    var counts = 0u;
    for (var i = 0u; i < VALUES_PER_INVOCATION; i++) {
        let half = number * VALUES_PER_INVOCATION + i;
        if half <= 0xffffu {
            counts += (18u << 16u) | check(half);
        }
    }
    store_output_word(number, counts);
}
