//! How the parameters of launches travel where there are no immediates, or more of them than immediates have room for.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use super::error_scope::Reports;
use crate::{Error, kernels};

#[expect(clippy::cast_possible_truncation, reason = "256")]
pub(super) const MAX_BYTES: u32 = kernels::MAX_PARAMETER_BYTES as u32;
#[expect(clippy::cast_possible_truncation, reason = "128")]
pub(super) const MAX_IMMEDIATES: u32 = kernels::MAX_IMMEDIATES as u32;

/// Slots of uniform buffers, one for each launch.
///
/// An encoder may be held unsubmitted, dropped, or submitted out of order, and every `queue.write_buffer` runs before
/// the submit. So a slot is written once and never again; a full chunk is let go, and wgpu keeps it as long as a
/// command buffer refers to it.
#[derive(Debug)]
pub(super) struct Slots {
    layout: wgpu::BindGroupLayout,
    /// Bytes from one slot to the next.
    stride: u32,
    chunk: Mutex<Option<Arc<Chunk>>>,
}

#[derive(Debug)]
struct Chunk {
    buffer: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    used: AtomicU32,
}

/// A slot that is the caller's to write.
#[derive(Debug)]
pub(super) struct Slot {
    chunk: Arc<Chunk>,
    pub(super) offset: u32,
}

/// 256 slots of 256 bytes: 64 KiB, written off after as many calls.
const SLOTS_PER_CHUNK: u32 = 256;

impl Slots {
    /// Nothing is allocated before the first slot is taken.
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("wgpu-dropout parameters"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: true,
                    min_binding_size: None,
                },
                count: None,
            }],
        });
        let stride = MAX_BYTES.next_multiple_of(device.limits().min_uniform_buffer_offset_alignment);
        Self { layout, stride, chunk: Mutex::new(None) }
    }

    pub(super) fn layout(&self) -> &wgpu::BindGroupLayout {
        &self.layout
    }

    /// A fresh slot. The lock is held for a new chunk's creation, once in 256 calls, and for a count otherwise.
    #[cfg_attr(
        target_arch = "wasm32",
        allow(clippy::arc_with_non_send_sync, reason = "only native devices cross threads")
    )]
    pub(super) fn take(&self, device: &wgpu::Device, reports: &mut Reports) -> Result<Slot, Error> {
        let mut current = self.chunk.lock().unwrap_or_else(PoisonError::into_inner);
        let chunk = match &mut *current {
            Some(chunk) if chunk.used.load(Relaxed) < SLOTS_PER_CHUNK => chunk,
            full_or_none => {
                let chunk = reports.scoped(device, "parameters", || self.new_chunk(device))?;
                full_or_none.insert(Arc::new(chunk))
            }
        };
        // Under the lock: an atomic only because the chunk is shared with its slots.
        let offset = chunk.used.fetch_add(1, Relaxed) * self.stride;
        Ok(Slot { chunk: chunk.clone(), offset })
    }

    /// The next slot is of another chunk: this one may be invalid.
    pub(super) fn forget(&self) {
        *self.chunk.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn new_chunk(&self, device: &wgpu::Device) -> Chunk {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("wgpu-dropout parameters"),
            size: u64::from(self.stride) * u64::from(SLOTS_PER_CHUNK),
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("wgpu-dropout parameters"),
            layout: &self.layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffer,
                    offset: 0,
                    size: wgpu::BufferSize::new(MAX_BYTES.into()),
                }),
            }],
        });
        Chunk { buffer, bind_group, used: AtomicU32::new(0) }
    }
}

impl Slot {
    pub(super) fn bind_group(&self) -> &wgpu::BindGroup {
        &self.chunk.bind_group
    }

    pub(super) fn write(&self, queue: &wgpu::Queue, parameters: &[u8]) {
        queue.write_buffer(&self.chunk.buffer, self.offset.into(), parameters);
    }
}
