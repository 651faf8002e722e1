// The normals of local elements, for users' kernels.
// needs: random/keep_rule, random/normal

// The normal of the element at a local position.
fn dropout_normal(rule: DropoutKeepRule, element: u32) -> f32 {
    let index = dropout_add_64(rule.start, element);
    let block = dropout_normal_block(rule, dropout_normal_group(index));
    return dropout_normals_of(vec4<u32>(block[index.x & 3u])).x;
}

// Those of four elements from local position `element` on. Where its index is a multiple of 4, they are one random block.
fn dropout_normals(rule: DropoutKeepRule, element: u32) -> vec4<f32> {
    let index = dropout_add_64(rule.start, element);
    let inside = index.x & 3u;
    let group = dropout_normal_group(index);
    var words = dropout_normal_block(rule, group);
    if inside != 0u {
        let next = dropout_normal_block(rule, dropout_add_64(group, 1u));
        let by_1 = vec4<u32>(words.yzw, next.x);
        let by_2 = vec4<u32>(words.zw, next.xy);
        let by_3 = vec4<u32>(words.w, next.xyz);
        words = select(select(by_3, by_2, inside == 2u), by_1, inside == 1u);
    }
    return dropout_normals_of(words);
}
