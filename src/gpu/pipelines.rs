//! The pipelines built so far, and the layouts that they share with bind groups.

use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use rustc_hash::FxHashMap;

use super::{
    error_scope::{Report, scoped},
    parameters::MAX_IMMEDIATES,
};
use crate::{
    Error,
    kernels::{Kernel, Layout, ParameterStyle},
};

/// A cache of pipelines, each built when it is first needed. No lock is held meanwhile: two threads may build the same
/// one, and the first to finish is kept.
#[derive(Debug)]
pub(super) struct Pipelines {
    parameters: wgpu::BindGroupLayout,
    key: wgpu::BindGroupLayout,
    normal_table: wgpu::BindGroupLayout,
    /// Of group 0: by the number of bindings and which of them are written.
    operands: [OnceLock<wgpu::BindGroupLayout>; 256],
    replace: Option<(&'static str, &'static str)>,
    proven: RwLock<FxHashMap<Kernel, wgpu::ComputePipeline>>,
    /// In browsers a pipeline is used before the device has said whether it is valid.
    unproven: Mutex<Vec<Unproven>>,
}

struct Unproven {
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
    report: Report,
}

impl std::fmt::Debug for Unproven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kernel.fmt(f)
    }
}

impl Pipelines {
    /// The layouts are those of the uniform slots and of the table of normals.
    pub(super) fn new(
        device: &wgpu::Device,
        parameters: &wgpu::BindGroupLayout,
        normal_table: &wgpu::BindGroupLayout,
        replace: Option<(&'static str, &'static str)>,
    ) -> Self {
        Self {
            parameters: parameters.clone(),
            normal_table: normal_table.clone(),
            key: create_layout(device, "wgpu-dropout key", &[storage(0, true)]),
            operands: [const { OnceLock::new() }; 256],
            replace,
            proven: RwLock::default(),
            unproven: Mutex::default(),
        }
    }

    /// The layout of group 0.
    pub(super) fn operands_layout(&self, device: &wgpu::Device, layout: Layout) -> &wgpu::BindGroupLayout {
        let written = (0..layout.count()).filter(|&binding| layout.is_written(binding)).map(|binding| 1 << binding);
        let number = layout.count() << 5 | written.sum::<u8>();
        self.operands[usize::from(number)].get_or_init(|| {
            let entry = |binding| storage(u32::from(binding), !layout.is_written(binding));
            create_layout(device, "wgpu-dropout operands", &(0..layout.count()).map(entry).collect::<Vec<_>>())
        })
    }

    /// The layout of the group of a key.
    pub(super) fn key_layout(&self) -> &wgpu::BindGroupLayout {
        &self.key
    }

    /// The pipeline of a kernel, built when it is first asked for.
    pub(super) fn get(&self, device: &wgpu::Device, kernel: &Kernel) -> Result<wgpu::ComputePipeline, Error> {
        if let Some(pipeline) = self.proven.read().unwrap_or_else(PoisonError::into_inner).get(kernel) {
            return Ok(pipeline.clone());
        }
        if let Some(known) = self.get_unproven(kernel) {
            return known;
        }
        let (pipeline, mut report) = scoped(device, "compute pipeline", || self.build(device, kernel));
        if report.is_known() {
            report.into_result()?;
            return Ok(self.keep(*kernel, pipeline));
        }
        let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        unproven.push(Unproven { kernel: *kernel, pipeline: pipeline.clone(), report });
        Ok(pipeline)
    }

    fn get_unproven(&self, kernel: &Kernel) -> Option<Result<wgpu::ComputePipeline, Error>> {
        let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        let i = unproven.iter().position(|other| other.kernel == *kernel)?;
        if !unproven[i].report.is_known() {
            return Some(Ok(unproven[i].pipeline.clone()));
        }
        let Unproven { pipeline, report, .. } = unproven.remove(i);
        Some(report.into_result().map(|()| self.keep(*kernel, pipeline)))
    }

    /// Waits for what the device says of those of these pipelines that are new, and forgets those that failed. Other new
    /// ones wait for a call that needs them. Of calls at the same time that share a failed one, one is told why it failed,
    /// and the others that it cannot be used.
    pub(super) async fn prove(&self, kernels: &[Kernel]) -> Result<(), Error> {
        let needed: Vec<_> = {
            let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
            let (needed, others) = unproven.drain(..).partition(|one| kernels.contains(&one.kernel));
            *unproven = others;
            needed
        };
        let mut first = Ok(());
        for Unproven { kernel, pipeline, report } in needed {
            let result = report.await;
            if result.is_ok() {
                self.keep(kernel, pipeline);
            }
            first = first.and(result);
        }
        first
    }

    /// Has these pipelines built anew.
    pub(super) fn forget(&self, kernels: &[Kernel]) {
        let mut proven = self.proven.write().unwrap_or_else(PoisonError::into_inner);
        proven.retain(|kernel, _| !kernels.contains(kernel));
    }

    fn keep(&self, kernel: Kernel, pipeline: wgpu::ComputePipeline) -> wgpu::ComputePipeline {
        self.proven.write().unwrap_or_else(PoisonError::into_inner).entry(kernel).or_insert(pipeline).clone()
    }

    fn build(&self, device: &wgpu::Device, kernel: &Kernel) -> wgpu::ComputePipeline {
        let label = format!("wgpu-dropout {kernel}");
        let immediates = kernel.style().parameters == ParameterStyle::Immediates;
        let groups = [
            Some(self.operands_layout(device, kernel.layout())),
            (!immediates).then_some(&self.parameters),
            kernel.key_binding().map(|_| &self.key),
            kernel.normal_table_binding().map(|_| &self.normal_table),
        ];
        // Layouts after the last group that the kernel has would only cost.
        let last = groups.iter().rposition(Option::is_some).unwrap_or_default();
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &groups[..=last],
            immediate_size: if immediates { MAX_IMMEDIATES } else { 0 },
        });
        let mut source = kernel.wgsl();
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
            entry_point: Some(Kernel::ENTRY_POINT),
            compilation_options: wgpu::PipelineCompilationOptions {
                // What is shared in a workgroup is written before it is read.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        })
    }
}

fn storage(binding: u32, read_only: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}

fn create_layout(device: &wgpu::Device, label: &str, entries: &[wgpu::BindGroupLayoutEntry]) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries })
}
