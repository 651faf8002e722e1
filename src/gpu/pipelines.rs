//! Which shader a call runs. A kernel is put together from fragments that answer separate questions:
//! which bit governs an element (decision), what happens to a kept and a dropped one (operation), and where the
//! elements lie (access). Each pipeline is built on first use and kept.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{call::CALL_BYTES, device_errors::scoped};
use crate::{Dtype, Error, Generator, MaskFormat, wgsl};

/// Elements that one invocation decides and moves: `RUN` of shaders/call.wgsl.
pub(crate) const RUN: u64 = 32;

/// Which bit governs an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Decision {
    /// Everything is kept.
    All,
    /// The keep rule for a contiguous view; `aligned` when position 0 is at a multiple of a run.
    Random { generator: Generator, key: KeySource, aligned: bool },
    /// The keep rule for a view of rows.
    Rows { generator: Generator, key: KeySource },
    /// A packed mask from elsewhere.
    Given(GivenMask),
}

/// Where the key of the keep rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeySource {
    /// From the host, among the parameters.
    Parameter,
    /// From a buffer.
    Buffer,
}

/// Where a given mask lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GivenMask {
    /// In a buffer that the kernel only reads.
    Separate,
    /// In a window of the buffer that the kernel writes.
    Window,
}

/// What group 2 holds, for decisions that read more than the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecisionGroup {
    Key,
    Given(GivenMask),
}

impl Decision {
    fn group(self) -> Option<DecisionGroup> {
        match self {
            Self::Random { key: KeySource::Buffer, .. } | Self::Rows { key: KeySource::Buffer, .. } => {
                Some(DecisionGroup::Key)
            }
            Self::Given(place) => Some(DecisionGroup::Given(place)),
            Self::All | Self::Random { .. } | Self::Rows { .. } => None,
        }
    }
}

/// What happens to a kept and a dropped element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Inverted,
    Identity,
}

/// Where the elements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// Input and output in two buffers.
    Separate,
    /// Both in one binding of one buffer: in place, or two ranges of it.
    Shared,
    /// In two bindings of one buffer.
    Windows,
}

/// How much of the data a dispatch covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Extent {
    /// Whole workgroups, four words at a time, without bounds checks.
    Body(Layout),
    /// Anything, a word at a time.
    Edge,
}

/// How the elements of a workgroup are shared out among its invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Each invocation moves 32 neighbouring elements: for devices that run on the CPU.
    Neighbouring,
    /// Neighbouring invocations move neighbouring elements: for GPUs.
    Interleaved,
}

/// One compute pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    Dropout { decision: Decision, operation: Operation, dtype: Dtype, access: Access, extent: Extent },
    KeepMask { decision: Decision, format: MaskFormat },
    RandomBlocks { generator: Generator },
    AdvanceKey,
}

impl Kernel {
    /// The WGSL text, from fragments.
    pub(crate) fn source(self, immediates: bool) -> String {
        if let Self::RandomBlocks { generator } = self {
            return [wgsl::generator(generator), include_str!("../../shaders/random_blocks.wgsl")].join("\n");
        }
        let decision = match self {
            Self::Dropout { decision, .. } | Self::KeepMask { decision, .. } => Some(decision),
            Self::RandomBlocks { .. } | Self::AdvanceKey => None,
        };
        let generator = match decision {
            Some(Decision::Random { generator, .. } | Decision::Rows { generator, .. }) => generator,
            // Not called then, but the parameters hold the keep rule's struct.
            _ => Generator::default(),
        };
        let mut parts = vec![
            wgsl::generator(generator),
            wgsl::KEEP_RULE,
            include_str!("../../shaders/call.wgsl"),
            match immediates {
                true => include_str!("../../shaders/call_immediate.wgsl"),
                false => include_str!("../../shaders/call_uniform.wgsl"),
            },
        ];
        if let Some(Decision::Random { key, .. } | Decision::Rows { key, .. }) = decision {
            parts.push(match key {
                KeySource::Parameter => include_str!("../../shaders/key_parameter.wgsl"),
                KeySource::Buffer => include_str!("../../shaders/key_buffer.wgsl"),
            });
        }
        if let Some(Decision::Given(place)) = decision {
            parts.push(match place {
                GivenMask::Separate => include_str!("../../shaders/given_separate.wgsl"),
                GivenMask::Window => include_str!("../../shaders/given_window.wgsl"),
            });
        }
        parts.extend(decision.map(|decision| match decision {
            Decision::All => include_str!("../../shaders/decide_all.wgsl"),
            Decision::Random { .. } => include_str!("../../shaders/decide_random.wgsl"),
            Decision::Rows { .. } => include_str!("../../shaders/decide_rows.wgsl"),
            Decision::Given(_) => include_str!("../../shaders/decide_given.wgsl"),
        }));
        match self {
            Self::Dropout { operation, dtype, access, extent, .. } => {
                parts.push(match operation {
                    Operation::Inverted => include_str!("../../shaders/operation_inverted.wgsl"),
                    Operation::Identity => include_str!("../../shaders/operation_identity.wgsl"),
                });
                match dtype {
                    Dtype::F32 => {}
                    Dtype::F16 => parts.push(include_str!("../../shaders/format_f16.wgsl")),
                    Dtype::Bf16 => parts.push(include_str!("../../shaders/format_bf16.wgsl")),
                }
                parts.push(match dtype {
                    Dtype::F32 => include_str!("../../shaders/storage_f32.wgsl"),
                    Dtype::F16 | Dtype::Bf16 => include_str!("../../shaders/storage_halves.wgsl"),
                });
                parts.push(match extent {
                    Extent::Body(_) => include_str!("../../shaders/unit_quad.wgsl"),
                    Extent::Edge => include_str!("../../shaders/unit_word.wgsl"),
                });
                parts.push(match access {
                    Access::Separate => include_str!("../../shaders/access_separate.wgsl"),
                    Access::Shared => include_str!("../../shaders/access_shared.wgsl"),
                    Access::Windows => include_str!("../../shaders/access_windows.wgsl"),
                });
                parts.push(match extent {
                    Extent::Body(Layout::Neighbouring) => include_str!("../../shaders/dropout_body.wgsl"),
                    Extent::Body(Layout::Interleaved) => include_str!("../../shaders/dropout_body_interleaved.wgsl"),
                    Extent::Edge => include_str!("../../shaders/dropout_edge.wgsl"),
                });
            }
            Self::KeepMask { format, .. } => parts.push(match format {
                MaskFormat::Bits => include_str!("../../shaders/keep_mask.wgsl"),
                MaskFormat::Bytes => include_str!("../../shaders/keep_mask_bytes.wgsl"),
            }),
            Self::AdvanceKey => parts.push(include_str!("../../shaders/advance_key.wgsl")),
            Self::RandomBlocks { .. } => unreachable!("returned above"),
        }
        parts.join("\n")
    }

    /// What group 0 holds.
    pub(crate) fn access(self) -> Access {
        match self {
            Self::Dropout { access, .. } => access,
            Self::KeepMask { .. } | Self::AdvanceKey => Access::Shared,
            Self::RandomBlocks { .. } => Access::Separate,
        }
    }

    /// What group 2 holds, if there is one.
    pub(crate) fn decision_group(self) -> Option<DecisionGroup> {
        match self {
            Self::Dropout { decision, .. } | Self::KeepMask { decision, .. } => decision.group(),
            Self::RandomBlocks { .. } | Self::AdvanceKey => None,
        }
    }

    /// Whether the kernel has the parameters of a dispatch.
    pub(crate) fn has_call(self) -> bool {
        !matches!(self, Self::RandomBlocks { .. })
    }

    /// The values of the shader's overrides.
    pub(crate) fn constants(self, workgroup_size: u32) -> Vec<(&'static str, f64)> {
        let aligned = match self {
            Self::RandomBlocks { .. } => return vec![],
            Self::Dropout { decision, .. } | Self::KeepMask { decision, .. } => {
                matches!(decision, Decision::Random { aligned: true, .. })
            }
            Self::AdvanceKey => false,
        };
        vec![("WORKGROUP_SIZE", f64::from(workgroup_size)), ("START_IS_ALIGNED", if aligned { 1.0 } else { 0.0 })]
    }

    /// Every kernel there is, for tests that look at all of them.
    pub(crate) fn all() -> Vec<Self> {
        let given = [GivenMask::Separate, GivenMask::Window].map(Decision::Given);
        let mut decisions = vec![Decision::All];
        for generator in Generator::ALL {
            for key in [KeySource::Parameter, KeySource::Buffer] {
                decisions.extend([true, false].map(|aligned| Decision::Random { generator, key, aligned }));
                decisions.push(Decision::Rows { generator, key });
            }
        }
        let mut kernels: Vec<_> = Generator::ALL.map(|generator| Self::RandomBlocks { generator }).into();
        kernels.push(Self::AdvanceKey);
        for &decision in &decisions {
            kernels.extend([MaskFormat::Bits, MaskFormat::Bytes].map(|format| Self::KeepMask { decision, format }));
        }
        for decision in decisions.into_iter().chain(given) {
            for operation in [Operation::Inverted, Operation::Identity] {
                for dtype in Dtype::ALL {
                    for access in [Access::Separate, Access::Shared, Access::Windows] {
                        for extent in
                            [Extent::Body(Layout::Neighbouring), Extent::Body(Layout::Interleaved), Extent::Edge]
                        {
                            kernels.push(Self::Dropout { decision, operation, dtype, access, extent });
                        }
                    }
                }
            }
        }
        kernels
    }
}

/// The layouts of the buffers in group 0, and the pipelines built so far.
#[derive(Debug)]
pub(crate) struct Pipelines {
    separate: wgpu::BindGroupLayout,
    shared: wgpu::BindGroupLayout,
    windows: wgpu::BindGroupLayout,
    parameters: Option<wgpu::BindGroupLayout>,
    /// A key, or a given mask.
    decision_read: wgpu::BindGroupLayout,
    /// A given mask in the buffer that is written.
    decision_window: wgpu::BindGroupLayout,
    workgroup_size: u32,
    replace: Option<(&'static str, &'static str)>,
    built: Mutex<HashMap<Kernel, wgpu::ComputePipeline>>,
}

impl Pipelines {
    /// `parameters` is the layout of the uniform slots, or none for immediates.
    pub(crate) fn new(
        device: &wgpu::Device,
        parameters: Option<&wgpu::BindGroupLayout>,
        workgroup_size: u32,
        replace: Option<(&'static str, &'static str)>,
    ) -> Self {
        let storage = |binding, read_only| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let layout = |label, entries: &[_]| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries })
        };
        Self {
            separate: layout("wgpu-dropout input, output", &[storage(0, true), storage(1, false)]),
            shared: layout("wgpu-dropout data", &[storage(0, false)]),
            windows: layout("wgpu-dropout two windows", &[storage(0, false), storage(1, false)]),
            parameters: parameters.cloned(),
            decision_read: layout("wgpu-dropout key or given mask", &[storage(0, true)]),
            decision_window: layout("wgpu-dropout given mask in a window", &[storage(0, false)]),
            workgroup_size,
            replace,
            built: Mutex::default(),
        }
    }

    /// The layout of group 0.
    pub(crate) fn buffers_layout(&self, access: Access) -> &wgpu::BindGroupLayout {
        match access {
            Access::Separate => &self.separate,
            Access::Shared => &self.shared,
            Access::Windows => &self.windows,
        }
    }

    /// The layout of group 2.
    pub(super) fn decision_layout(&self, group: DecisionGroup) -> &wgpu::BindGroupLayout {
        match group {
            DecisionGroup::Key | DecisionGroup::Given(GivenMask::Separate) => &self.decision_read,
            DecisionGroup::Given(GivenMask::Window) => &self.decision_window,
        }
    }

    /// The elements of one workgroup.
    pub(crate) fn workgroup_elements(&self) -> u64 {
        u64::from(self.workgroup_size) * RUN
    }

    /// The pipeline of a kernel, built when it is first asked for.
    pub(crate) fn get(&self, device: &wgpu::Device, kernel: Kernel) -> Result<wgpu::ComputePipeline, Error> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = built.get(&kernel) {
            return Ok(pipeline.clone());
        }
        let pipeline = scoped(device, "compute pipeline", || self.build(device, kernel))?;
        built.insert(kernel, pipeline.clone());
        Ok(pipeline)
    }

    fn build(&self, device: &wgpu::Device, kernel: Kernel) -> wgpu::ComputePipeline {
        let label = format!("wgpu-dropout {kernel:?}");
        let buffers = Some(self.buffers_layout(kernel.access()));
        let parameters = self.parameters.as_ref().filter(|_| kernel.has_call());
        let decision = kernel.decision_group().map(|group| self.decision_layout(group));
        // Layouts after the last group that the kernel has would only cost.
        let groups = if decision.is_some() { 3 } else { 1 + usize::from(parameters.is_some()) };
        let immediates = self.parameters.is_none() && kernel.has_call();
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[buffers, parameters, decision][..groups],
            immediate_size: if immediates { CALL_BYTES } else { 0 },
        });
        let mut source = kernel.source(immediates);
        if let Some((text, other)) = self.replace {
            source = source.replace(text, other);
        }
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &kernel.constants(self.workgroup_size),
                // What is shared in a workgroup is written before it is read.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    }
}
