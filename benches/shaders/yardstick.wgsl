// Copies whole workgroups of quads, or scales them: what dropout is measured against. An invocation moves QUADS quads of
// four words; they are neighbours, or a workgroup apart so that neighbouring invocations access neighbouring quads.
// benches/src/yardstick.rs puts the bindings before it.

override WORKGROUP_SIZE: u32 = 64u;
override QUADS: u32 = 8u;
override INTERLEAVED: bool = false;
override SCALE: bool = false;

fn work(x: vec4<u32>) -> vec4<u32> {
    if SCALE {
        return bitcast<vec4<u32>>(bitcast<vec4<f32>>(x) * 1.0000001);
    }
    return x;
}

fn move_quad(base: u32, step: u32, j: u32) {
    // Decided when the pipeline is built.
    if j < QUADS {
        store(base + j * step, work(load(base + j * step)));
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
