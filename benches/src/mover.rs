//! Plain kernels that move the bytes of a pass and do nothing else, in a family of shapes of which the fastest counts.

use wgpu_dropout::wgpu;

/// What a mover moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// So many tensors of a length into another, with a row of words beside them or not.
    Tensors { inputs: u32, row: Option<u64> },
    /// All samples into two accumulators of the length of one.
    Samples { count: u64 },
}

/// A mover of a shape, bound to buffers.
#[derive(Debug)]
pub struct Mover {
    /// Its shape, for reports.
    pub name: String,
    pipeline: wgpu::ComputePipeline,
    /// One for each dispatch.
    bind_groups: Vec<wgpu::BindGroup>,
    workgroups: [u32; 2],
}

const INVOCATIONS: u64 = 64;

impl Mover {
    /// Those whose whole workgroups make up the buffers: of inputs and of the output, or of samples and their accumulators, with
    /// `words` in the output.
    pub fn family(device: &wgpu::Device, traffic: Traffic, words: u64, buffers: &[&wgpu::Buffer]) -> Vec<Self> {
        match traffic {
            Traffic::Tensors { inputs, row } => {
                let shapes = [1, 8].into_iter().filter(|quads| words.is_multiple_of(quads * 4 * INVOCATIONS));
                shapes.map(|quads| Self::of_tensors(device, inputs, row, words, quads, buffers)).collect()
            }
            Traffic::Samples { count } => {
                // As many as can be bound, or fewer, so that a cache holds a line of each; all counts are powers of two.
                let room = device.limits().max_storage_buffer_binding_size / (words * 4);
                let all = count.min(1 << room.max(1).ilog2());
                let units = [1, 4].into_iter().filter(|unit| words.is_multiple_of(unit * INVOCATIONS));
                let shapes = units.flat_map(|unit| [(unit, all.min(16)), (unit, all)]);
                shapes.map(|(unit, each)| Self::of_samples(device, [count, each], words, unit, buffers)).collect()
            }
        }
    }

    fn of_tensors(
        device: &wgpu::Device,
        inputs: u32,
        row: Option<u64>,
        words: u64,
        quads: u64,
        buffers: &[&wgpu::Buffer],
    ) -> Self {
        let mut source = String::new();
        let mut terms: Vec<_> = (0..inputs).map(|i| format!("input_{i}[i]")).collect();
        let mut names: Vec<_> = (0..inputs).map(|i| format!("input_{i}")).collect();
        if let Some(row) = row {
            terms.push(format!("row[i % {}u]", row / 4));
            names.push("row".to_owned());
        }
        for (binding, name) in names.iter().enumerate() {
            source += &format!("@group(0) @binding({binding}) var<storage, read> {name}: array<vec4<u32>>;\n");
        }
        let last = names.len();
        source += &format!("@group(0) @binding({last}) var<storage, read_write> output: array<vec4<u32>>;\n");
        source += &format!("fn moved(i: u32) -> vec4<u32> {{ return {}; }}\n", terms.join(" ^ "));
        source += include_str!("../shaders/mover.wgsl");
        let pipeline = pipeline(device, &source, &[("QUADS", quads as f64)]);
        let ranges: Vec<_> = buffers.iter().map(|buffer| buffer.as_entire_binding()).collect();
        let bind_groups = vec![bind_group(device, &pipeline, ranges)];
        let name = format!("{inputs} in, 1 out, {} elements", quads * 4);
        Self { name, pipeline, bind_groups, workgroups: grid(words / 4 / quads / INVOCATIONS) }
    }

    /// `each` samples in every dispatch.
    fn of_samples(
        device: &wgpu::Device,
        [count, each]: [u64; 2],
        words: u64,
        unit: u64,
        buffers: &[&wgpu::Buffer],
    ) -> Self {
        let text = include_str!("../shaders/read_samples.wgsl");
        let source = format!("alias Unit = {};\n{text}", if unit == 1 { "u32" } else { "vec4<u32>" });
        let pipeline = pipeline(device, &source, &[("SAMPLES", each as f64), ("STRIDE", (words / unit) as f64)]);
        let of_part = |part: u64| {
            let size = each * words * 4;
            let samples =
                wgpu::BufferBinding { buffer: buffers[0], offset: part * size, size: wgpu::BufferSize::new(size) };
            let ranges = [wgpu::BindingResource::Buffer(samples)].into_iter();
            let all = ranges.chain(buffers[1..].iter().map(|buffer| buffer.as_entire_binding()));
            bind_group(device, &pipeline, all.collect())
        };
        let bind_groups = (0..count / each).map(of_part).collect();
        let name = format!("{each} samples at a time and 2 accumulators, {unit} elements");
        Self { name, pipeline, bind_groups, workgroups: grid(words / unit / INVOCATIONS) }
    }

    /// Appends it.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        for bind_group in &self.bind_groups {
            pass.set_bind_group(0, bind_group, &[]);
            pass.dispatch_workgroups(self.workgroups[0], self.workgroups[1], 1);
        }
    }
}

/// As few rows of workgroups as any device takes, all of a length.
fn grid(workgroups: u64) -> [u32; 2] {
    let rows = (1..).find(|&rows| workgroups.is_multiple_of(rows) && workgroups / rows < 1 << 16);
    let rows = rows.expect("rows of one workgroup");
    [(workgroups / rows) as u32, rows as u32]
}

fn pipeline(device: &wgpu::Device, source: &str, constants: &[(&str, f64)]) -> wgpu::ComputePipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
        cache: None,
    })
}

fn bind_group(
    device: &wgpu::Device,
    pipeline: &wgpu::ComputePipeline,
    resources: Vec<wgpu::BindingResource<'_>>,
) -> wgpu::BindGroup {
    let entries: Vec<_> =
        (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
    let layout = pipeline.get_bind_group_layout(0);
    device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries })
}
