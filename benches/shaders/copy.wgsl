// Copies whole workgroups of quads: the yardstick. QUADS is how many four-word quads an invocation copies; they are
// neighbours, or a workgroup apart so that neighbouring invocations access neighbouring quads.

override WORKGROUP_SIZE: u32 = 64u;
override QUADS: u32 = 8u;
override INTERLEAVED: bool = false;

@group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;

fn move_quad(base: u32, step: u32, j: u32) {
    if j < QUADS {
        output[base + j * step] = input[base + j * step];
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * WORKGROUP_SIZE * QUADS;
    let base = first + select(invocation * QUADS, invocation, INTERLEAVED);
    let step = select(1u, WORKGROUP_SIZE, INTERLEAVED);
    // Written out: `j < QUADS` is decided when the pipeline is built.
    move_quad(base, step, 0u);
    move_quad(base, step, 1u);
    move_quad(base, step, 2u);
    move_quad(base, step, 3u);
    move_quad(base, step, 4u);
    move_quad(base, step, 5u);
    move_quad(base, step, 6u);
    move_quad(base, step, 7u);
}
