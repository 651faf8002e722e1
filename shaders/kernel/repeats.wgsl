// Repeats: what is decided for some elements is so for others too, again and again after as many elements. A workgroup
// handles some of the repeats.
// parameters: repeats: Repeats

struct Repeats {
    count: u32,
    elements: u32, // from one to the next
    each: u32,     // of a workgroup
    unused: u32,
}

fn first_repeat(workgroup: vec3<u32>) -> u32 {
    return workgroup.z * parameters.repeats.each;
}

fn end_of_repeats(workgroup: vec3<u32>) -> u32 {
    return min(first_repeat(workgroup) + parameters.repeats.each, parameters.repeats.count);
}

fn elements_before(repeat: u32) -> u32 {
    return repeat * parameters.repeats.elements;
}
