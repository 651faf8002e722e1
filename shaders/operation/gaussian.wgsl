// Operation: an element is multiplied by 1 + sigma z, each step rounded.
// needs: operation/rounded
// parameters: gaussian: Gaussian

struct Gaussian {
    sigma: f32,
    zero: u32,
    unused: vec2<u32>,
}

fn disturb(x: vec4<f32>, z: vec4<f32>) -> vec4<f32> {
    let s = rounded(z * parameters.gaussian.sigma, parameters.gaussian.zero);
    return x * rounded(s + 1.0, parameters.gaussian.zero);
}
