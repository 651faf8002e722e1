// Dropout scales what it keeps.
// needs: key

fn scaled(x: vec4<f32>) -> vec4<f32> {
    return x * keyed_rule().scale;
}
