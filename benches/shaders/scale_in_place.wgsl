// Multiplies whole workgroups of quads in place: the yardstick of dropout in place. Constants as in copy.wgsl.

override WORKGROUP_SIZE: u32 = 64u;
override QUADS: u32 = 8u;
override INTERLEAVED: bool = false;

@group(0) @binding(0) var<storage, read_write> data: array<vec4<f32>>;

fn move_quad(base: u32, step: u32, j: u32) {
    if j < QUADS {
        data[base + j * step] *= 1.0000001;
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
    move_quad(base, step, 0u);
    move_quad(base, step, 1u);
    move_quad(base, step, 2u);
    move_quad(base, step, 3u);
    move_quad(base, step, 4u);
    move_quad(base, step, 5u);
    move_quad(base, step, 6u);
    move_quad(base, step, 7u);
}
