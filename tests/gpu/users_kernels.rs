//! Users' own kernels with the library's text: the same bits as the reference.

use wgpu_dropout::{
    Context, Dropout, Generator, Key, normal_table::NORMAL_TABLE_PACKED, reference, wgpu, wgpu::util::DeviceExt, wgsl,
};

use super::adapters::{assert_words, bits, buffer, read, subjects};

const TABLE_IN_STORAGE: &str = "
@group(0) @binding(1) var<storage, read> normal_table: array<vec2<u32>, 512>;
fn dropout_normal_entry(i: u32) -> vec2<u32> { return normal_table[i]; }
";

const TABLE_IN_UNIFORM: &str = "
@group(0) @binding(1) var<uniform> normal_table: array<vec4<u32>, 256>;
fn dropout_normal_entry(i: u32) -> vec2<u32> {
    let pair = normal_table[i / 2u];
    return select(pair.xy, pair.zw, i % 2u == 1u);
}
";

/// One invocation, four elements: each by itself in the first half of the output, together in the second. Kept elements
/// alone, so that the keep rule is in use beside the normals.
const SHADER: &str = "
@group(0) @binding(0) var<uniform> rule: DropoutKeepRule;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let length = arrayLength(&output) / 2u;
    let first = id.x * 4u;
    if first >= length {
        return;
    }
    let together = dropout_normals(rule, first);
    for (var j = 0u; j < min(4u, length - first); j++) {
        let element = first + j;
        let keep = dropout_keeps(rule, element);
        output[element] = select(0u, bitcast<u32>(dropout_normal(rule, element)), keep);
        output[length + element] = select(0u, bitcast<u32>(together[j]), keep);
    }
}
";

fn run(context: &Context, table: &str, generator: Generator, rule: wgsl::KeepRule, length: usize) -> Vec<u32> {
    let device = context.device();
    let init = |contents: &[u8]| {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM;
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
    };
    let rule = init(bytemuck::bytes_of(&rule));
    let entries = init(bytemuck::cast_slice(NORMAL_TABLE_PACKED.as_flattened()));
    let output = buffer(context, &vec![0xdead_beef; 2 * length]);
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("a user's normals"),
        source: wgpu::ShaderSource::Wgsl((wgsl::normals(generator) + table + SHADER).into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
    let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            entry(0, rule.as_entire_binding()),
            entry(1, entries.as_entire_binding()),
            entry(2, output.as_entire_binding()),
        ],
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(length.div_ceil(4 * 64) as u32, 1, 1);
    }
    context.queue().submit([encoder.finish()]);
    let [words] = read(context, [&output]);
    words
}

/// Starts in every position of a block, around 2³² and before the last index.
#[test]
fn a_users_kernel_gives_the_normals_of_the_reference() {
    const LENGTH: usize = 1003;
    let key = Key::new(0x0123_4567_89ab_cdef).with_layer(3).with_step(7);
    for subject in subjects() {
        for &generator in Generator::ALL {
            let last = generator.normal_end() - LENGTH as u128;
            for (number, start) in [0, 5, 1022, 0xffff_fe03, u64::try_from(last).unwrap()].into_iter().enumerate() {
                let table = [TABLE_IN_STORAGE, TABLE_IN_UNIFORM][number % 2];
                let mask = Dropout::new(0.1).unwrap().with_generator(generator).mask(key).at(start);
                let rule = wgsl::KeepRule::try_from(&mask).unwrap();
                let normals = bits(&reference::normals(generator, key, start, LENGTH as u64).unwrap());
                let keep = reference::keep_mask(&mask, LENGTH as u64).unwrap();
                let expected: Vec<_> =
                    (0..LENGTH).map(|j| if keep[j >> 5] >> (j & 31) & 1 == 1 { normals[j] } else { 0 }).collect();
                let actual = run(&subject.context, table, generator, rule, LENGTH);
                for (half, how) in actual.chunks(LENGTH).zip(["one by one", "four at a time"]) {
                    assert_words(half, &expected, || format!("{}, {generator}, from {start}, {how}", subject.name));
                }
            }
        }
    }
}
