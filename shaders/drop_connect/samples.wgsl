// Samples of normals with given means and variances: mean + sqrt(variance) z, where z is the normal of the element's index at
// the sample's key. An invocation computes four neighbours, whose normals are one random block, of some samples.
// needs: kernel/invocation, key, random/normal, operation/rounded, tensor, store
// parameters: sampling: Sampling

struct Sampling {
    length: u32,          // elements of a sample
    samples: u32,         // of the dispatch
    first_sample: u32,
    tiles: u32,           // of a sample
    mean_offset: u32,     // elements before the first in each binding
    variance_offset: u32,
    output_offset: u32,
    zero: u32,
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    parameters = given;
    let number = invocation_number(workgroup, workgroups, invocation);
    let tile = number % parameters.sampling.tiles;
    let first = number / parameters.sampling.tiles * SAMPLES_PER_INVOCATION;
    if first >= parameters.sampling.samples {
        return;
    }
    var rule = keyed_rule();
    let stream = rule.stream;
    // The start may lie inside of a block: of the first one the rest, from its element `skipped` on.
    let inside = rule.start.x & 3u;
    let skipped = select(0u, inside, tile == 0u);
    let element = 4u * tile + skipped - inside;
    let count = min(parameters.sampling.length - element, 4u - skipped);
    let group = dropout_add_64(dropout_normal_group(rule.start), tile);
    var mean = vec4<f32>(0.0);
    var deviation = vec4<f32>(0.0);
    for (var i = 0u; i < count; i++) {
        mean[i] = mean_element(parameters.sampling.mean_offset + element + i);
        deviation[i] = sqrt(variance_element(parameters.sampling.variance_offset + element + i));
    }
    let end = min(first + SAMPLES_PER_INVOCATION, parameters.sampling.samples);
    for (var sample = first; sample < end; sample++) {
        // The sample takes bits 32 to 47 of the stream.
        rule.stream.y = (stream.y & 0xffff0000u) | (parameters.sampling.first_sample + sample);
        var z = dropout_normals_of(dropout_normal_block(rule, group));
        // The first tile may begin inside of its block.
        for (var i = 0u; i < skipped; i++) {
            z = z.yzwx;
        }
        let y = mean + rounded(deviation * z, parameters.sampling.zero);
        store_output_vec4(parameters.sampling.output_offset + sample * parameters.sampling.length + element, y, count);
    }
}
