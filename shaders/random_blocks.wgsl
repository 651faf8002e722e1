// Random blocks for given counters, so that the published known answers can be checked on the device itself.
// Needs a generator fragment.

struct Question {
    seed: vec2<u32>,
    stream: vec2<u32>,
    group: vec2<u32>,
    part: u32,
    domain: u32,
}

@group(0) @binding(0) var<storage, read> questions: array<Question>;
@group(0) @binding(1) var<storage, read_write> answers: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= arrayLength(&questions) {
        return;
    }
    let q = questions[id.x];
    answers[id.x] = random_block(q.seed, q.stream, q.group, q.part, q.domain);
}
