// The product of weights and inputs, where a part of the weights is dropped, for each example another. An invocation
// computes a tile, of 4 examples and of 4 outputs or, where WIDE says so, 8: what it decides is for it alone, and what it
// loads serves the whole tile.
// needs: kernel/invocation, rows, tensor, store
// parameters: product: Product

struct Product {
    strides: vec4<u32>,  // decisions from example to example and from output to output
    examples: u32,       // of the dispatch
    outputs: u32,
    inputs: u32,         // of a row
    tiles: u32,          // of the outputs
    weights_offset: u32, // elements before the first in each binding
    input_offset: u32,
    output_offset: u32,
    output_pitch: u32,   // elements from example to example
}

// Those terms whose bit, so many below the highest, is set; +0 for the others, even where they are infinite or NaN.
fn kept(terms: vec4<f32>, bits: vec4<u32>, below: u32) -> vec4<f32> {
    if !MASKED {
        return terms;
    }
    let keep = bitcast<vec4<i32>>(bits << vec4<u32>(below)) >> vec4<u32>(31u);
    return bitcast<vec4<f32>>(bitcast<vec4<i32>>(terms) & keep);
}

// The sums of four terms each for four outputs. A column of the weights is of one input.
fn products(weights: mat4x4<f32>, x: vec4<f32>, bits: vec4<u32>, below: u32) -> vec4<f32> {
    return kept(weights[0] * x.x, bits, below) + kept(weights[1] * x.y, bits, below - 1u)
        + kept(weights[2] * x.z, bits, below - 2u) + kept(weights[3] * x.w, bits, below - 3u);
}

// The weights of four outputs and four inputs.
fn weights_of(output: u32, input: u32) -> mat4x4<f32> {
    let last = parameters.product.outputs - 1u;
    let left = parameters.product.inputs - input;
    let at = vec4<u32>(parameters.product.weights_offset + input)
        + min(vec4<u32>(output) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last)) * parameters.product.inputs;
    return transpose(mat4x4<f32>(
        weights_vec4(at.x, left), weights_vec4(at.y, left), weights_vec4(at.z, left), weights_vec4(at.w, left),
    ));
}

fn input_of(example: u32, input: u32) -> vec4<f32> {
    let row = min(example, parameters.product.examples - 1u);
    let at = parameters.product.input_offset + row * parameters.product.inputs + input;
    return input_vec4(at, parameters.product.inputs - input);
}

fn store_products(example: u32, output: u32, y: vec4<f32>) {
    if example < parameters.product.examples && output < parameters.product.outputs {
        let at = parameters.product.output_offset + example * parameters.product.output_pitch + output;
        store_output_vec4(at, y, parameters.product.outputs - output);
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
    let example = tile / parameters.product.tiles * 4u;
    let output = tile % parameters.product.tiles * OUTPUTS_PER_TILE;
    if example >= parameters.product.examples {
        return;
    }
    // One mask for all examples is decided once.
    let masks = select(min(parameters.product.examples - example, 4u), 1u, ONE_MASK);
    let outputs = min(parameters.product.outputs - output, OUTPUTS_PER_TILE);
    let inputs = parameters.product.inputs;
    let scale = weight_scale();

    // Of output o for example e, bits 8 e + o.
    var bits: array<u32, 32>;
    var carried: array<u32, 32>;
    var sums_0 = vec4<f32>(0.0);
    var sums_1 = vec4<f32>(0.0);
    var sums_2 = vec4<f32>(0.0);
    var sums_3 = vec4<f32>(0.0);
    var more_sums_0 = vec4<f32>(0.0);
    var more_sums_1 = vec4<f32>(0.0);
    var more_sums_2 = vec4<f32>(0.0);
    var more_sums_3 = vec4<f32>(0.0);
    for (var step = select(0u, 1u, ROWS_ARE_ALIGNED); step <= (inputs + 31u) / 32u; step++) {
        if MASKED {
            for (var e = 0u; e < masks; e++) {
                for (var o = 0u; o < outputs; o++) {
                    let row = vec2<u32>(example + e, output + o);
                    let next = next_of_row(parameters.product.strides, row, step, carried[8u * e + o]);
                    bits[8u * e + o] = next.bits;
                    carried[8u * e + o] = next.carried;
                }
            }
        }
        let bits_0 = vec4<u32>(bits[0], bits[1], bits[2], bits[3]);
        var bits_1 = bits_0;
        var bits_2 = bits_0;
        var bits_3 = bits_0;
        let more_bits_0 = vec4<u32>(bits[4], bits[5], bits[6], bits[7]);
        var more_bits_1 = more_bits_0;
        var more_bits_2 = more_bits_0;
        var more_bits_3 = more_bits_0;
        if !ONE_MASK {
            bits_1 = vec4<u32>(bits[8], bits[9], bits[10], bits[11]);
            bits_2 = vec4<u32>(bits[16], bits[17], bits[18], bits[19]);
            bits_3 = vec4<u32>(bits[24], bits[25], bits[26], bits[27]);
            more_bits_1 = vec4<u32>(bits[12], bits[13], bits[14], bits[15]);
            more_bits_2 = vec4<u32>(bits[20], bits[21], bits[22], bits[23]);
            more_bits_3 = vec4<u32>(bits[28], bits[29], bits[30], bits[31]);
        }
        // Nothing in step 0.
        let end = min(32u * step, inputs);
        for (var input = 32u * (max(step, 1u) - 1u); input < end; input += 4u) {
            let below = 31u - input % 32u;
            let x_0 = input_of(example, input);
            let x_1 = input_of(example + 1u, input);
            let x_2 = input_of(example + 2u, input);
            let x_3 = input_of(example + 3u, input);
            let weights = weights_of(output, input) * scale;
            sums_0 += products(weights, x_0, bits_0, below);
            sums_1 += products(weights, x_1, bits_1, below);
            sums_2 += products(weights, x_2, bits_2, below);
            sums_3 += products(weights, x_3, bits_3, below);
            if WIDE {
                let more_weights = weights_of(output + 4u, input) * scale;
                more_sums_0 += products(more_weights, x_0, more_bits_0, below);
                more_sums_1 += products(more_weights, x_1, more_bits_1, below);
                more_sums_2 += products(more_weights, x_2, more_bits_2, below);
                more_sums_3 += products(more_weights, x_3, more_bits_3, below);
            }
        }
    }
    store_products(example, output, sums_0);
    store_products(example + 1u, output, sums_1);
    store_products(example + 2u, output, sums_2);
    store_products(example + 3u, output, sums_3);
    if WIDE {
        store_products(example, output + 4u, more_sums_0);
        store_products(example + 1u, output + 4u, more_sums_1);
        store_products(example + 2u, output + 4u, more_sums_2);
        store_products(example + 3u, output + 4u, more_sums_3);
    }
}
