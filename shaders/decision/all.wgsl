// Decision: everything is kept, without random numbers.

alias Fates = u32;

fn decide_bits(position: u32) -> u32 {
    return 0xffffffffu;
}

fn decide_group(number: u32, invocation: u32) -> Fates {
    return 0xffu;
}

fn kept_first(fates: Fates) -> vec4<bool> {
    return vec4<bool>(true);
}

fn kept_last(fates: Fates) -> vec4<bool> {
    return vec4<bool>(true);
}
