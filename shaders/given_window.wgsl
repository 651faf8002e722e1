// A given mask in a window of the buffer that is written to: bound for writing, because WebGPU forbids to use one buffer
// both for reading and for writing.
@group(2) @binding(0) var<storage, read_write> given_words: array<u32>;
