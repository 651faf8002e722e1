//! The decisions of attention in a user's kernel, and the example that computes with them.

use wgpu_dropout::{Dropout, Generator, Key, reference, wgpu, wgpu::util::DeviceExt, wgsl};

use crate::adapters::{assert_words, buffer, read, subjects};

#[path = "../../examples/attention.rs"]
mod example;

/// One invocation a row of 100 scores from one key on, in (batch, head, query) order.
const SHADER: &str = "
@group(0) @binding(0) var<uniform> rule: DropoutKeepRule;
@group(0) @binding(1) var<storage, read> places: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let place = places[id.x];
    let shape = DropoutAttention(HEADS, QUERIES, KEYS);
    output[id.x] = dropout_attention_keep_bits(rule, shape, place.x, place.y, place.z, place.w);
}";

/// Shapes whose indexes have more than 32 bits, and keys from anywhere.
#[test]
fn decisions_are_those_of_the_index() {
    const HEADS: u64 = 12;
    const QUERIES: u64 = 100_003;
    const KEYS: u64 = 70_001;
    let places: [[u32; 4]; 8] = [
        [0, 0, 0, 0],
        [0, 0, 1, 5],
        [0, 1, 0, 33],
        [3, 11, 100_002, 69_990],
        [0, 0, 61_356, 0],
        [40, 7, 99_999, 64],
        [1, 2, 3, 4],
        [70_000, 11, 100_002, 69_969],
    ];
    for subject in subjects() {
        let context = &subject.context;
        let device = context.device();
        for &generator in Generator::ALL {
            let dropout = Dropout::new(0.3).unwrap().with_generator(generator);
            let mask = dropout.mask(Key::new(5).with_layer(9)).at(0xffff_fff3);
            let rule = wgsl::KeepRule::try_from(&mask).unwrap();
            let uniform = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents: bytemuck::bytes_of(&rule),
                usage: wgpu::BufferUsages::UNIFORM,
            });
            let constants = format!("const HEADS = {HEADS}u;\nconst QUERIES = {QUERIES}u;\nconst KEYS = {KEYS}u;\n");
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: None,
                source: wgpu::ShaderSource::Wgsl((wgsl::attention(generator) + &constants + SHADER).into()),
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            });
            let (input, output) = (buffer(context, places.as_flattened()), buffer(context, &[7; 8]));
            let entry =
                |binding, buffer| wgpu::BindGroupEntry { binding, resource: wgpu::Buffer::as_entire_binding(buffer) };
            let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[entry(0, &uniform), entry(1, &input), entry(2, &output)],
            });
            let mut encoder = device.create_command_encoder(&Default::default());
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                pass.set_pipeline(&pipeline);
                pass.set_bind_group(0, &bind_group, &[]);
                pass.dispatch_workgroups(8, 1, 1);
            }
            context.queue().submit([encoder.finish()]);
            let expected = places.map(|place| {
                let [batch, head, query, key] = place.map(u64::from);
                let index = ((batch * HEADS + head) * QUERIES + query) * KEYS + key;
                (0..32).fold(0, |bits, j| bits | u32::from(reference::keeps(&mask, index + j)) << j)
            });
            assert_words(&read(context, [&output])[0], &expected, || format!("{} {generator}", subject.name));
        }
    }
}

/// The example's check, for sizes and tiles that are no multiples of each other.
#[test]
fn tiles_do_not_matter() {
    let mask = Dropout::new(0.3).unwrap().mask(Key::new(42).with_layer(3)).at(77);
    for (number, subject) in subjects().iter().enumerate() {
        let problem =
            example::Problem { batches: 1, heads: 2, queries: 37, keys: 45, size: 8, mask, causal: number % 2 == 0 };
        let tiles = [[16, 16], [5, 33]];
        let text = example::check(&subject.context, &problem, &tiles).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(text.lines().count(), 5, "{text}");
    }
}
