// The gradient of x is written.

fn store_gradient(quad: u32, words: vec4<u32>) {
    store_output_quad(quad, words);
}
