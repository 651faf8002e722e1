// Helpers of softmax and its entropy in nats. With y = x − max, e = exp(y) and s = Σ e, the probabilities are e/s and their
// entropy is log s − Σ e·y / s.

// Logits relative to the largest. Far below it exp is 0, and a finite number times 0 is 0, as 0·log 0 shall be. NaN stays.
fn below(x: vec4<f32>, largest: f32) -> vec4<f32> {
    let y = x - largest;
    return select(y, vec4<f32>(-200.0), y < vec4<f32>(-200.0));
}

fn below_pair(x: vec2<f32>, largest: f32) -> vec2<f32> {
    let y = x - largest;
    return select(y, vec2<f32>(-200.0), y < vec2<f32>(-200.0));
}

// What no maximum is smaller than, so that −infinity can be subtracted from.
const LEAST = -0x1.fffffep+127f;

fn largest_of(x: vec4<f32>) -> f32 {
    return max(max(x.x, x.y), max(x.z, x.w));
}

fn sum_of(x: vec4<f32>) -> f32 {
    return (x.x + x.y) + (x.z + x.w);
}
