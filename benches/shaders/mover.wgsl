// Moves whole workgroups of quads from several tensors to one, as passes do: what they are measured against. An invocation moves
// QUADS quads of four words, which are neighbours. benches/src/mover.rs puts the bindings before it, and `moved`, which reads
// quad i of every tensor.

override QUADS: u32 = 1u;

fn move_quad(first: u32, j: u32) {
    // Decided when the pipeline is built.
    if j < QUADS {
        output[first + j] = moved(first + j);
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let first = ((workgroup.y * workgroups.x + workgroup.x) * 64u + invocation) * QUADS;
    move_quad(first, 0u);
    move_quad(first, 1u);
    move_quad(first, 2u);
    move_quad(first, 3u);
    move_quad(first, 4u);
    move_quad(first, 5u);
    move_quad(first, 6u);
    move_quad(first, 7u);
}
