// Random blocks for given counters, so that the published known answers can be checked on the device itself.
// needs: generator
// parameters: blocks: Blocks

struct Blocks {
    count: u32,
    unused_0: u32,
    unused: vec2<u32>,
}

// The input holds eight words a block: seed, stream and group, low word first, then part and domain.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let i = workgroup.x * WORKGROUP_SIZE + invocation;
    if i >= parameters.blocks.count {
        return;
    }
    let key = input_quad(2u * i);
    let counter = input_quad(2u * i + 1u);
    store_output_quad(i, dropout_random_block(key.xy, key.zw, counter.xy, counter.z, counter.w));
}
