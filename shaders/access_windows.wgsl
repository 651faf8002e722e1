// Access: input and output are two windows of one buffer, too far apart for one binding. Both are bound for writing,
// because WebGPU forbids to use one buffer both for reading and for writing.
@group(0) @binding(0) var<storage, read_write> input: array<Unit>;
@group(0) @binding(1) var<storage, read_write> output: array<Unit>;

fn load(i: u32) -> Unit {
    return input[i];
}

fn load_output(i: u32) -> Unit {
    return output[i];
}

fn store(i: u32, x: Unit) {
    output[i] = x;
}
