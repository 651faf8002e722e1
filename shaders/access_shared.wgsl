// Access: input and output lie in one buffer, in place or apart, and in one binding of it: WebGPU forbids to bind bytes
// both for reading and for writing.
@group(0) @binding(0) var<storage, read_write> data: array<Unit>;

fn load(i: u32) -> Unit {
    return data[i];
}

fn load_output(i: u32) -> Unit {
    return data[i];
}

fn store(i: u32, x: Unit) {
    data[i] = x;
}
