//! The plain kernels that dropout is measured against, in a family of shapes of which the fastest counts.

use wgpu_dropout::wgpu;

/// What a yardstick does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YardstickKind {
    /// `output = input`.
    Copy,
    /// `data *= 1.0000001`.
    ScaleInPlace,
}

/// One plain kernel of a shape.
#[derive(Debug)]
pub struct Yardstick {
    /// Its shape, for reports.
    pub name: String,
    /// What it does.
    pub kind: YardstickKind,
    pipeline: wgpu::ComputePipeline,
    workgroup_size: u32,
    quads: u32,
}

impl Yardstick {
    /// The family: 1 to 8 quads an invocation, neighbouring or a workgroup apart, workgroups of 64 and 256.
    pub fn family(device: &wgpu::Device, kind: YardstickKind) -> Vec<Self> {
        let mut family = vec![];
        for workgroup_size in [64, 256] {
            for quads in [1, 2, 4, 8] {
                for interleaved in [false, true] {
                    if quads > 1 || !interleaved {
                        family.push(Self::new(device, kind, workgroup_size, quads, interleaved));
                    }
                }
            }
        }
        family
    }

    fn new(device: &wgpu::Device, kind: YardstickKind, workgroup_size: u32, quads: u32, interleaved: bool) -> Self {
        let (what, scale, access) = match kind {
            YardstickKind::Copy => ("copy", false, SEPARATE),
            YardstickKind::ScaleInPlace => ("scale", true, IN_PLACE),
        };
        let source = [access, include_str!("../shaders/yardstick.wgsl")].join("\n");
        let layout = if interleaved { "interleaved" } else { "neighbouring" };
        let name = format!("{what} {} elements, {layout}, workgroup {workgroup_size}", quads * 4);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&name),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[
                    ("WORKGROUP_SIZE", workgroup_size.into()),
                    ("QUADS", quads.into()),
                    ("INTERLEAVED", u32::from(interleaved).into()),
                    ("SCALE", u32::from(scale).into()),
                ],
                ..Default::default()
            },
            cache: None,
        });
        Self { name, kind, pipeline, workgroup_size, quads }
    }

    /// Binds it to buffers; the output is not used in place.
    pub fn bind(&self, device: &wgpu::Device, input: &wgpu::Buffer, output: &wgpu::Buffer) -> wgpu::BindGroup {
        let entry = |binding, buffer: &wgpu::Buffer| (binding, buffer.clone());
        let buffers = match self.kind {
            YardstickKind::Copy => vec![entry(0, input), entry(1, output)],
            YardstickKind::ScaleInPlace => vec![entry(0, output)],
        };
        let entries: Vec<_> = buffers
            .iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding: *binding, resource: buffer.as_entire_binding() })
            .collect();
        let layout = self.pipeline.get_bind_group_layout(0);
        device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries })
    }

    /// Appends it for `n` elements, which must [`fit`](Self::fits).
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, bind_group: &wgpu::BindGroup, n: u64) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, bind_group, &[]);
        let workgroups = n / self.elements();
        let x = workgroups.min(ROW);
        pass.dispatch_workgroups(x as u32, (workgroups / x) as u32, 1);
    }

    /// Whether whole rows of whole workgroups make up `n` elements.
    pub fn fits(&self, n: u64) -> bool {
        let workgroups = n / self.elements();
        workgroups > 0 && n.is_multiple_of(self.elements()) && (workgroups <= ROW || workgroups.is_multiple_of(ROW))
    }

    fn elements(&self) -> u64 {
        u64::from(self.workgroup_size) * u64::from(self.quads) * 4
    }
}

/// The bindings of yardstick.wgsl: of its own, so that they owe nothing to the library's kernels.
const SEPARATE: &str = "
    @group(0) @binding(0) var<storage, read> input: array<vec4<u32>>;
    @group(0) @binding(1) var<storage, read_write> output: array<vec4<u32>>;
    fn load(i: u32) -> vec4<u32> { return input[i]; }
    fn store(i: u32, x: vec4<u32>) { output[i] = x; }";
const IN_PLACE: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<vec4<u32>>;
    fn load(i: u32) -> vec4<u32> { return data[i]; }
    fn store(i: u32, x: vec4<u32>) { data[i] = x; }";

/// Workgroups of a dispatch row: a power of two below every device's limit.
const ROW: u64 = 1 << 15;
