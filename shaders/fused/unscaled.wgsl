// Everything is kept, and nothing scaled: evaluation.

fn scaled(x: vec4<f32>) -> vec4<f32> {
    return x;
}
