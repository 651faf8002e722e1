// Mean and variance of a product where each weight is dropped by itself: the product, and a factor times the product of the
// squares. An invocation computes 4 examples and 4 outputs.
// needs: kernel/invocation, tensor, store
// parameters: moments: Moments

struct Moments {
    examples: u32,        // of the dispatch
    outputs: u32,
    inputs: u32,          // of a row
    tiles: u32,           // of the outputs
    weights_offset: u32,  // elements before the first in each binding
    input_offset: u32,
    mean_offset: u32,
    variance_offset: u32,
    output_pitch: u32,    // elements from example to example
    factor: f32,          // of the variance
    unused: vec2<u32>,
}

struct Sums {
    mean: vec4<f32>,
    squares: vec4<f32>,
}

fn weights_of(output: u32, input: u32) -> mat4x4<f32> {
    let last = parameters.moments.outputs - 1u;
    let left = parameters.moments.inputs - input;
    let at = vec4<u32>(parameters.moments.weights_offset + input)
        + min(vec4<u32>(output) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last)) * parameters.moments.inputs;
    return transpose(mat4x4<f32>(
        weights_vec4(at.x, left), weights_vec4(at.y, left), weights_vec4(at.z, left), weights_vec4(at.w, left),
    ));
}

fn input_of(example: u32, input: u32) -> vec4<f32> {
    let row = min(example, parameters.moments.examples - 1u);
    let at = parameters.moments.input_offset + row * parameters.moments.inputs + input;
    return input_vec4(at, parameters.moments.inputs - input);
}

fn add_term(sums: Sums, weights: vec4<f32>, x: f32) -> Sums {
    let term = weights * x;
    return Sums(sums.mean + term, sums.squares + term * term);
}

fn add_terms(sums: Sums, weights: mat4x4<f32>, x: vec4<f32>) -> Sums {
    return add_term(
        add_term(add_term(add_term(sums, weights[0], x.x), weights[1], x.y), weights[2], x.z), weights[3], x.w,
    );
}

fn store_moments(example: u32, output: u32, sums: Sums) {
    if example < parameters.moments.examples {
        let at = example * parameters.moments.output_pitch + output;
        let left = parameters.moments.outputs - output;
        store_output_vec4(parameters.moments.mean_offset + at, sums.mean, left);
        // Without dropout there is none, even where the squares are infinite.
        let factor = parameters.moments.factor;
        let variance = select(sums.squares * factor, vec4<f32>(0.0), factor == 0.0);
        store_output_variance_vec4(parameters.moments.variance_offset + at, variance, left);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    parameters = given;
    let tile = invocation_number(workgroup, workgroups, invocation);
    let example = tile / parameters.moments.tiles * 4u;
    let output = tile % parameters.moments.tiles * 4u;
    if example >= parameters.moments.examples {
        return;
    }
    let zero = Sums(vec4<f32>(0.0), vec4<f32>(0.0));
    var sums_0 = zero;
    var sums_1 = zero;
    var sums_2 = zero;
    var sums_3 = zero;
    for (var input = 0u; input < parameters.moments.inputs; input += 4u) {
        let weights = weights_of(output, input);
        sums_0 = add_terms(sums_0, weights, input_of(example, input));
        sums_1 = add_terms(sums_1, weights, input_of(example + 1u, input));
        sums_2 = add_terms(sums_2, weights, input_of(example + 2u, input));
        sums_3 = add_terms(sums_3, weights, input_of(example + 3u, input));
    }
    store_moments(example, output, sums_0);
    store_moments(example + 1u, output, sums_1);
    store_moments(example + 2u, output, sums_2);
    store_moments(example + 3u, output, sums_3);
}
