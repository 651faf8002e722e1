//! The parameters of a dispatch, and the two ways in which they travel.

use std::sync::Mutex;

use super::device_errors::scoped;
use crate::{Error, wgsl::KeepRule};

/// The host twin of `struct Call` in shaders/call.wgsl.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Call {
    pub(crate) rule: KeepRule,
    pub(crate) row_pitch: [u32; 2],
    pub(crate) first: u32,
    pub(crate) length: u32,
    pub(crate) input_offset: u32,
    pub(crate) output_offset: u32,
    pub(crate) row_length: u32,
    pub(crate) column: u32,
}

pub(crate) const CALL_BYTES: u32 = size_of::<Call>() as u32;

/// Slots of uniform buffers, one for each call, for devices without immediates.
///
/// An encoder may be held unsubmitted, dropped, or submitted out of order, and every `queue.write_buffer` runs before
/// the submit. So a slot is written once and never again; a full chunk is let go, and wgpu keeps it as long as a
/// command buffer refers to it.
#[derive(Debug)]
pub(crate) struct Slots {
    layout: wgpu::BindGroupLayout,
    /// Bytes from one slot to the next.
    stride: u32,
    chunk: Mutex<Option<Chunk>>,
}

#[derive(Debug)]
struct Chunk {
    buffer: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    used: u32,
}

/// 256 slots of 256 bytes: 64 KiB, written off after as many calls.
const SLOTS_PER_CHUNK: u32 = 256;

impl Slots {
    pub(crate) fn new(device: &wgpu::Device) -> Self {
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("wgpu-dropout parameters"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: true,
                    min_binding_size: wgpu::BufferSize::new(CALL_BYTES.into()),
                },
                count: None,
            }],
        });
        let stride = CALL_BYTES.next_multiple_of(device.limits().min_uniform_buffer_offset_alignment);
        Self { layout, stride, chunk: Mutex::new(None) }
    }

    pub(crate) fn layout(&self) -> &wgpu::BindGroupLayout {
        &self.layout
    }

    /// Puts the parameters into a fresh slot; returns the bind group and the dynamic offset of the slot.
    pub(crate) fn write(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        call: &Call,
    ) -> Result<(wgpu::BindGroup, u32), Error> {
        let mut current = self.chunk.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        scoped(device, "parameters", || {
            let chunk = match &mut *current {
                Some(chunk) if chunk.used < SLOTS_PER_CHUNK => chunk,
                full_or_none => full_or_none.insert(self.new_chunk(device)),
            };
            let offset = chunk.used * self.stride;
            chunk.used += 1;
            queue.write_buffer(&chunk.buffer, offset.into(), bytemuck::bytes_of(call));
            (chunk.bind_group.clone(), offset)
        })
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
                    size: wgpu::BufferSize::new(CALL_BYTES.into()),
                }),
            }],
        });
        Chunk { buffer, bind_group, used: 0 }
    }
}
