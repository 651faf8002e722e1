// Constants of an operation that scales, from the host.
// parameters: scaling: Scaling

struct Scaling {
    scale: f32,
    unused_0: u32,
    unused: vec2<u32>,
}

fn copies_bits() -> bool {
    return false;
}

fn constant_scale() -> f32 {
    return parameters.scaling.scale;
}
