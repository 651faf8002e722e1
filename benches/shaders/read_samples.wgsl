// Reads samples once, and what is kept of them, and writes the latter: what statistics are measured against. An invocation
// reads one unit of every sample. benches/src/mover.rs says what a unit is: a word, or a quad of four.

override SAMPLES: u32 = 1u;
override STRIDE: u32 = 1u; // units from a sample to the next

@group(0) @binding(0) var<storage, read> samples: array<Unit>;
@group(0) @binding(1) var<storage, read_write> mean: array<Unit>;
@group(0) @binding(2) var<storage, read_write> squares: array<Unit>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let i = (workgroup.y * workgroups.x + workgroup.x) * 64u + invocation;
    var all = mean[i];
    for (var sample = 0u; sample < SAMPLES; sample++) {
        all ^= samples[sample * STRIDE + i];
    }
    mean[i] = all;
    squares[i] ^= all;
}
