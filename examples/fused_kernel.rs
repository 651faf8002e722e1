//! Your own kernel with the library's decisions: bias, ReLU and dropout in one pass, `y = dropout(max(x + b, 0))`.
//!
//! `wgsl::keep_rule` is put before the shader, and `wgsl::KeepRule` tells the kernel which mask. The result is the
//! same, bit for bit, as the three steps on the CPU with the library's reference.

use wgpu_dropout::{
    Context, Dropout, Generator, Key, reference,
    wgpu::{self, util::DeviceExt},
    wgsl,
};

const SHADER: &str = "
@group(0) @binding(0) var<uniform> rule: DropoutKeepRule;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> data: array<f32>;

// An invocation handles 32 neighbouring elements, so that one word of keep bits serves them all.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = id.x * 32u;
    let length = arrayLength(&data);
    if first >= length {
        return;
    }
    let keep = dropout_keep_bits(rule, first);
    for (var j = 0u; j < min(32u, length - first); j++) {
        let i = first + j;
        let activation = max(data[i] + bias[i % arrayLength(&bias)], 0.0);
        data[i] = select(0.0, activation * rule.scale, ((keep >> j) & 1u) == 1u);
    }
}";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = Context::new_blocking()?;
    let (device, queue) = (context.device(), context.queue());
    let mask = Dropout::new(0.3)?.mask(Key::new(42).with_layer(1));

    let (rows, columns) = (100, 77);
    let x: Vec<f32> = (0..rows * columns).map(|i| (i % 23) as f32 - 11.0).collect();
    let bias: Vec<f32> = (0..columns).map(|i| i as f32 / 64.0).collect();

    let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let buffer = |contents: &[u8], usage| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
    };
    let rule = wgsl::KeepRule::try_from(&mask)?;
    let rule_buffer = buffer(bytemuck::bytes_of(&rule), wgpu::BufferUsages::UNIFORM);
    let bias_buffer = buffer(bytemuck::cast_slice(&bias), storage);
    let data = buffer(bytemuck::cast_slice(&x), storage);

    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("bias, ReLU, dropout"),
        source: wgpu::ShaderSource::Wgsl((wgsl::keep_rule(Generator::Threefry) + SHADER).into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            // The mask starts at 0, a multiple of 32.
            constants: &[("DROPOUT_START_IS_ALIGNED", 1.0)],
            ..Default::default()
        },
        cache: None,
    });
    let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
    let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            entry(0, rule_buffer.as_entire_binding()),
            entry(1, bias_buffer.as_entire_binding()),
            entry(2, data.as_entire_binding()),
        ],
    });
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: data.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(x.len().div_ceil(64 * 32) as u32, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&data, 0, &staging, 0, data.size());
    queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("the device can be read"));
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let fused: Vec<f32> = bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..)?);

    let activations: Vec<f32> = x.iter().enumerate().map(|(i, x)| (x + bias[i % columns]).max(0.0)).collect();
    let separate = reference::forward(&mask, &activations)?;
    let different = fused.iter().zip(&separate).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    println!("{} elements on {}, {different} differ from the reference", x.len(), context.adapter_info().name);
    if different > 0 {
        return Err("the fused kernel differs from the reference".into());
    }
    Ok(())
}
