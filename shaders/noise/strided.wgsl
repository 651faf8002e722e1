// Noise: the normals of any strides, of four elements at a time.
// needs: kernel/elements, key, random/normal, random/strides

struct Noise {
    position: u32,
}

fn noise_from(position: u32) -> Noise {
    return Noise(position);
}

fn next_normals(noise: ptr<function, Noise>) -> vec4<f32> {
    const LANES = vec4<u32>(0u, 1u, 2u, 3u);
    let rule = keyed_rule();
    let position = (*noise).position;
    (*noise).position = position + 4u;
    var words = vec4<u32>(0u);
    // The first may lie before the range, and the four in several rows or blocks.
    var done = max(position, lead()) - position;
    while done < 4u {
        let place = place_of(rule.start, position + done - lead());
        let block = dropout_normal_block(rule, dropout_normal_group(place.index));
        let lane = place.index.x & 3u;
        var count = min(4u - done, place.left);
        var own = vec4<u32>(block[lane]);
        if INNER_IS_DENSE {
            count = min(count, 4u - lane);
            let lanes = (LANES + vec4<u32>(lane - done)) & vec4<u32>(3u);
            own = vec4<u32>(block[lanes.x], block[lanes.y], block[lanes.z], block[lanes.w]);
        }
        words = select(words, own, LANES >= vec4<u32>(done));
        done += count;
    }
    return dropout_normals_of(words);
}
