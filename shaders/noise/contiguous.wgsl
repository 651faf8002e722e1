// Noise: the normals of consecutive indexes, four at a time. The start may lie inside of a block of four where INSIDE_BLOCK
// says so.
// needs: key, random/normal

struct Noise {
    group: vec2<u32>, // of the next normals
    block: vec4<u32>, // its random numbers, where a part of them was used
}

fn noise_from(position: u32) -> Noise {
    let rule = keyed_rule();
    let group = dropout_normal_group(dropout_add_64(rule.start, position));
    if INSIDE_BLOCK {
        return Noise(group, dropout_normal_block(rule, group));
    }
    return Noise(group, vec4<u32>(0u));
}

fn next_normals(noise: ptr<function, Noise>) -> vec4<f32> {
    let rule = keyed_rule();
    let group = (*noise).group;
    (*noise).group = dropout_add_64(group, 1u);
    if !INSIDE_BLOCK {
        return dropout_normals_of(dropout_normal_block(rule, group));
    }
    let own = (*noise).block;
    let next = dropout_normal_block(rule, (*noise).group);
    (*noise).block = next;
    let inside = rule.start.x & 3u;
    var words = vec4<u32>(own.w, next.xyz);
    words = select(words, vec4<u32>(own.zw, next.xy), inside == 2u);
    words = select(words, vec4<u32>(own.yzw, next.x), inside == 1u);
    return dropout_normals_of(words);
}
