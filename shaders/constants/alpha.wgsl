// Constants of alpha dropout, from the host.
// parameters: alpha: Alpha

struct Alpha {
    scale: f32,
    shift: f32,
    dropped: f32,
    zero: u32,
}

fn copies_bits() -> bool {
    return false;
}

fn constant_scale() -> f32 {
    return parameters.alpha.scale;
}

fn constant_shift() -> f32 {
    return parameters.alpha.shift;
}

fn constant_dropped() -> f32 {
    return parameters.alpha.dropped;
}

fn constant_zero() -> u32 {
    return parameters.alpha.zero;
}
