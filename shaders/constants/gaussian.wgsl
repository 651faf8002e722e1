// Constants of Gaussian noise, from the host.
// parameters: gaussian: Gaussian

struct Gaussian {
    sigma: f32,
    zero: u32,
    unused: vec2<u32>,
}

fn copies_bits() -> bool {
    return false;
}

fn constant_sigma() -> f32 {
    return parameters.gaussian.sigma;
}

fn constant_zero() -> u32 {
    return parameters.gaussian.zero;
}
