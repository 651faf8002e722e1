//! Fused passes of 2²² elements in rows of 1024 beside a plain kernel that moves the same bytes with the same access pattern,
//! and beside the same work in separate passes, on every adapter.
//!
//!     cargo run --release -p wgpu-dropout-bench --example fused [ROUNDS [PART OF AN ADAPTER'S NAME]]

use wgpu_dropout::{
    Activation, BufferRange, Dropout, Fused, Key, Mask, Options, Pass,
    wgpu::{self, util::DeviceExt},
};
use wgpu_dropout_bench::Bench;

const COLUMNS: u64 = 1024;
const ELEMENTS: u64 = 1 << 22;

/// An invocation moves eight neighbouring units of 16 bytes of each tensor, as the kernels for devices that run on the CPU do.
const MOVER: &str = "
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> residual: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<u32>>;

fn move_quad(i: u32) {
    y[i] = x[i] ^ residual[i] ^ bias[i % 256u];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x * 8u;
    move_quad(i);
    move_quad(i + 1u);
    move_quad(i + 2u);
    move_quad(i + 3u);
    move_quad(i + 4u);
    move_quad(i + 5u);
    move_quad(i + 6u);
    move_quad(i + 7u);
}
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(15), |rounds| rounds.parse())?;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    for adapter in pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all())) {
        let name = adapter.get_info().name;
        if std::env::args().nth(2).is_some_and(|part| !name.contains(&part)) {
            continue;
        }
        let bench = Bench::new(&adapter, Options::default())?;
        println!("{name}, {:?}", adapter.get_info().backend);
        measure(&bench, rounds)?;
    }
    Ok(())
}

/// The tensors of a round.
struct Tensors {
    x: wgpu::Buffer,
    residual: wgpu::Buffer,
    y: wgpu::Buffer,
    middle: wgpu::Buffer,
}

const NAMES: [&str; 10] = [
    "mover",
    "dropout",
    "relu",
    "relu apart",
    "gelu",
    "gelu apart",
    "relu back",
    "gelu back",
    "gelu back, db",
    "relu, rows",
];

fn measure(bench: &Bench, rounds: usize) -> Result<(), Box<dyn std::error::Error>> {
    let context = &bench.context;
    let device = context.device();
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let buffer = |words: u64| {
        let x: Vec<f32> = (0..words).map(|i| (i % 4001) as f32 / 1000.0 - 2.0).collect();
        let contents = bytemuck::cast_slice(&x);
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
    };
    // More than the caches hold.
    let all: Vec<_> = (0..3)
        .map(|_| Tensors {
            x: buffer(ELEMENTS),
            residual: buffer(ELEMENTS),
            y: buffer(ELEMENTS),
            middle: buffer(ELEMENTS),
        })
        .collect();
    let (bias, bias_gradient) = (buffer(COLUMNS), buffer(COLUMNS));
    let mask: Mask = Dropout::new(0.1)?.mask(Key::new(42));
    let fused = Fused::new(mask, COLUMNS)?;
    let alone = Fused::new(Dropout::new(0.0)?.mask(Key::new(42)), COLUMNS)?;
    let scratch = buffer(fused.scratch_size(ELEMENTS) / 4);
    let (relu, gelu) = (fused.with_activation(Activation::Relu), fused.with_activation(Activation::Gelu));
    let with_rows = relu.with_row_keep(Dropout::new(0.1)?.mask(Key::new(43)))?;

    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(MOVER.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });

    let mut samples = vec![vec![]; NAMES.len()];
    for round in 0..=rounds {
        let Tensors { x, residual, y, middle } = &all[round % all.len()];
        let full =
            |fused: Fused| -> Pass<BufferRange<'_>> { fused.forward(x, y).with_bias(&bias).with_residual(residual) };
        for (i, samples) in samples.iter_mut().enumerate() {
            let milliseconds = bench.timer.pass(|pass| {
                let apart = |pass: &mut wgpu::ComputePass<'_>, activation| -> Result<(), wgpu_dropout::Error> {
                    context.record_pass(pass, alone.forward(x, middle).with_bias(&bias))?;
                    context.record_pass(pass, alone.with_activation(activation).forward(middle, y))?;
                    context.record_forward(pass, mask, y, middle)?;
                    context.record_pass(pass, alone.forward(middle, y).with_residual(residual))
                };
                match i {
                    0 => {
                        let entries = [x, residual, &bias, y];
                        let entries: Vec<_> = (0..)
                            .zip(entries)
                            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                                binding,
                                resource: buffer.as_entire_binding(),
                            })
                            .collect();
                        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                            label: None,
                            layout: &pipeline.get_bind_group_layout(0),
                            entries: &entries,
                        });
                        pass.set_pipeline(&pipeline);
                        pass.set_bind_group(0, &group, &[]);
                        pass.dispatch_workgroups((ELEMENTS / 32 / 64) as u32, 1, 1);
                        Ok(())
                    }
                    1 => context.record_forward(pass, mask, x, y),
                    2 => context.record_pass(pass, full(relu)),
                    3 => apart(pass, Activation::Relu),
                    4 => context.record_pass(pass, full(gelu)),
                    5 => apart(pass, Activation::Gelu),
                    6 => context.record_pass(pass, relu.backward(x, y).with_input(residual).with_bias(&bias)),
                    7 => context.record_pass(pass, gelu.backward(x, y).with_input(residual).with_bias(&bias)),
                    8 => context.record_pass(
                        pass,
                        gelu.backward(x, y)
                            .with_input(residual)
                            .with_bias(&bias)
                            .with_bias_gradient(&bias_gradient)
                            .with_scratch(&scratch),
                    ),
                    _ => context.record_pass(pass, full(with_rows)),
                }
            })?;
            // The first round warms up.
            if round > 0 {
                samples.push(milliseconds);
            }
        }
    }
    // The least and the median: on a busy machine the least says more.
    let figures = |samples: &[f64]| {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        [sorted[0], sorted[sorted.len() / 2]]
    };
    let mover = figures(&samples[0]);
    for (name, samples) in NAMES.iter().zip(&samples) {
        let [least, median] = figures(samples);
        println!(
            "  {name:14} {median:8.3} ms, least {least:.3}, × mover {:.2}, least {:.2}",
            median / mover[1],
            least / mover[0]
        );
    }
    Ok(())
}
