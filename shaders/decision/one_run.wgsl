// Decision: of a single run of 32 elements.
// needs: decision

fn decide_runs(position: u32) -> vec4<u32> {
    return vec4<u32>(decide_bits(position), 0u, 0u, 0u);
}
