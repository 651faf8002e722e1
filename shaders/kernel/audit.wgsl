// Which elements of a range are not those of another, as far as it is certain, and which of them are +0. A workgroup
// handles neighbouring elements and writes what it found.
// parameters: comparison: Comparison

struct Comparison {
    count: u32,           // elements
    input_offset: u32,    // elements before the first in the input's binding
    expected_offset: u32, // and in that of what is expected
    tolerant: u32,        // 1 where some NaN is as good as another, and subnormals may be flushed; 0 where bits are copied
}

// Words that a workgroup writes.
const WORDS = 8u;

const ELEMENT_BITS = 32u / ELEMENTS_PER_WORD;
const ELEMENT_MASK = 0xffffffffu >> (32u - ELEMENT_BITS);
const MAGNITUDE = SIGN_BIT - 1u;
const NOWHERE = 0xffffffffu;

struct Found {
    wrong: u32,
    first: u32,     // the first wrong or unsettled one
    unsettled: u32, // differ by no more than a flushed subnormal would: the host decides
    zeros: u32,     // +0 where what is expected is more than that
    others: u32,    // and not +0
}

var<workgroup> found: array<Found, WORKGROUP_SIZE>;

fn input_element(element: u32) -> u32 {
    return (input_word(element / ELEMENTS_PER_WORD) >> (element % ELEMENTS_PER_WORD * ELEMENT_BITS)) & ELEMENT_MASK;
}

fn expected_element(element: u32) -> u32 {
    return (expected_word(element / ELEMENTS_PER_WORD) >> (element % ELEMENTS_PER_WORD * ELEMENT_BITS)) & ELEMENT_MASK;
}

fn divide_up(a: u32, b: u32) -> u32 {
    return (a + b - 1u) / b;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let count = parameters.comparison.count;
    let share = divide_up(divide_up(count, WORKGROUP_SIZE), workgroups.x) * WORKGROUP_SIZE;
    let end = min((workgroup.x + 1u) * share, count);
    var own = Found(0u, NOWHERE, 0u, 0u, 0u);
    for (var i = workgroup.x * share + invocation; i < end; i += WORKGROUP_SIZE) {
        let actual = input_element(parameters.comparison.input_offset + i);
        let expected = expected_element(parameters.comparison.expected_offset + i);
        let size = actual & MAGNITUDE;
        let expected_size = expected & MAGNITUDE;
        let tolerant = parameters.comparison.tolerant == 1u;
        let both_nan = size > INFINITE && expected_size > INFINITE;
        let differs = actual != expected && !(tolerant && both_nan);
        let open = differs && tolerant && size < SETTLED_FROM && expected_size < SETTLED_FROM;
        own.wrong += select(0u, 1u, differs && !open);
        own.unsettled += select(0u, 1u, open);
        own.first = select(own.first, i, differs && own.first == NOWHERE);
        let tells = expected_size >= FLUSHED_BELOW;
        own.zeros += select(0u, 1u, tells && actual == 0u);
        own.others += select(0u, 1u, tells && actual != 0u);
    }
    found[invocation] = own;
    workgroupBarrier();
    if invocation == 0u {
        var all = own;
        for (var i = 1u; i < WORKGROUP_SIZE; i++) {
            all.wrong += found[i].wrong;
            all.first = min(all.first, found[i].first);
            all.unsettled += found[i].unsettled;
            all.zeros += found[i].zeros;
            all.others += found[i].others;
        }
        store_output_word(workgroup.x * WORDS, all.wrong);
        store_output_word(workgroup.x * WORDS + 1u, all.first);
        store_output_word(workgroup.x * WORDS + 2u, all.unsettled);
        store_output_word(workgroup.x * WORDS + 3u, all.zeros);
        store_output_word(workgroup.x * WORDS + 4u, all.others);
    }
}
