//! Standard normals as a stream, and the table that kernels make them with.

use std::sync::{Mutex, PoisonError};

use super::{
    buffer_range::{BufferRange, Ranges},
    context::Context,
    error_scope::Reports,
    transfer::Readback,
};
use crate::{Error, Generator, Key, normal_table::NORMAL_TABLE_UNIFORM, reference};

/// The table on the device, uploaded when the first kernel needs it.
#[derive(Debug)]
pub(super) struct NormalTable {
    layout: wgpu::BindGroupLayout,
    bind_group: Mutex<Option<wgpu::BindGroup>>,
}

impl NormalTable {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("wgpu-dropout normals"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            }],
        });
        Self { layout, bind_group: Mutex::default() }
    }

    pub(super) fn layout(&self) -> &wgpu::BindGroupLayout {
        &self.layout
    }

    /// The table is uploaded anew: what is there may be invalid.
    pub(super) fn forget(&self) {
        *self.bind_group.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn get(&self, context: &Context, reports: &mut Reports) -> Result<wgpu::BindGroup, Error> {
        let mut bind_group = self.bind_group.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bind_group) = &*bind_group {
            return Ok(bind_group.clone());
        }
        let inner = &context.inner;
        let new = reports.scoped(&inner.device, "table of normals", || {
            let bytes: &[u8] = bytemuck::cast_slice(NORMAL_TABLE_UNIFORM.as_flattened());
            let buffer = inner.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgpu-dropout normals"),
                size: bytes.len() as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            inner.queue.write_buffer(&buffer, 0, bytes);
            inner.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("wgpu-dropout normals"),
                layout: &self.layout,
                entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
            })
        })?;
        Ok(bind_group.insert(new).clone())
    }
}

impl Context {
    /// The standard normals of `count` indexes from `start` on, with the same bits on every device: those that
    /// [`Kind::Gaussian`](crate::Kind) disturbs elements with, and [`reference::normals`] returns.
    ///
    /// # Errors
    /// [`Error::IndexRange`] when they reach past [`Generator::normal_end`], [`Error::OutOfMemory`], [`Error::DeviceLost`],
    /// [`Error::Device`].
    pub async fn normals(&self, generator: Generator, key: Key, start: u64, count: u64) -> Result<Vec<f32>, Error> {
        let mut normals = self.reserve_normals(generator, start, count)?;
        while (normals.len() as u64) < count {
            let mut reports = Reports::later();
            let done = normals.len() as u64;
            let (readback, length) = self.start_normals(&mut reports, generator, key, start + done, count - done)?;
            self.finish(reports, readback, &mut normals, length).await?;
        }
        Ok(normals)
    }

    /// [`normals`](Self::normals), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`normals`](Self::normals).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn normals_blocking(&self, generator: Generator, key: Key, start: u64, count: u64) -> Result<Vec<f32>, Error> {
        let mut normals = self.reserve_normals(generator, start, count)?;
        while (normals.len() as u64) < count {
            let done = normals.len() as u64;
            let (readback, length) =
                self.start_normals(&mut Reports::now(), generator, key, start + done, count - done)?;
            readback.finish_into_blocking(&mut normals, length)?;
        }
        Ok(normals)
    }

    fn reserve_normals(&self, generator: Generator, start: u64, count: u64) -> Result<Vec<f32>, Error> {
        generator.check_normals(start, count)?;
        self.check_device()?;
        reference::reserve(count)
    }

    /// As many of the normals as a buffer can hold.
    fn start_normals(
        &self,
        reports: &mut Reports,
        generator: Generator,
        key: Key,
        start: u64,
        count: u64,
    ) -> Result<(Readback, usize), Error> {
        let count = count.min(self.buffer_limit() / 4);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let output = self.create_buffer(reports, count * 4, usage)?;
        let bound = self.bind_reporting(reports, Ranges::normals(BufferRange::from(&output)))?;
        let readback = self.read_back(reports, &output, |reports, encoder| {
            bound.record_normals_reporting(reports, encoder, generator, key, start)
        })?;
        Ok((readback, usize::try_from(count).unwrap_or(usize::MAX)))
    }
}
