// Operation: an element is multiplied by 1 + sigma z, each step rounded.
// needs: operation/rounded, constants

fn disturb(x: vec4<f32>, z: vec4<f32>) -> vec4<f32> {
    let s = rounded(z * constant_sigma(), constant_zero());
    return x * rounded(s + 1.0, constant_zero());
}
