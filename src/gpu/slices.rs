//! The slice tier: uploads, runs, reads back. The simplest way, and the slowest: the transfers cost far more than
//! the dropout.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

use super::{context::Context, device_errors::scoped};
use crate::{Error, Mask};

impl Context {
    /// `y = keep ? x·scale : +0`.
    ///
    /// # Errors
    /// [`Error::IndexRange`], [`Error::TooLarge`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Device`].
    pub async fn forward(&self, mask: &Mask, x: &[f32]) -> Result<Vec<f32>, Error> {
        match self.start_forward(mask, x)? {
            Some(readback) => readback.finish().await,
            None => Ok(x.to_vec()),
        }
    }

    /// `dx = keep ? dy·scale : +0`, with the mask regenerated from the key.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn backward(&self, mask: &Mask, dy: &[f32]) -> Result<Vec<f32>, Error> {
        self.forward(mask, dy).await
    }

    /// The packed keep mask of `length` elements: element j is bit `j & 31` of word `j >> 5`, 1 = kept.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn keep_mask(&self, mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
        match self.start_keep_mask(mask, length)? {
            Some(readback) => readback.finish().await,
            None => Ok(vec![]),
        }
    }

    /// [`forward`](Self::forward), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward_blocking(&self, mask: &Mask, x: &[f32]) -> Result<Vec<f32>, Error> {
        match self.start_forward(mask, x)? {
            Some(readback) => readback.finish_blocking(),
            None => Ok(x.to_vec()),
        }
    }

    /// [`backward`](Self::backward), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn backward_blocking(&self, mask: &Mask, dy: &[f32]) -> Result<Vec<f32>, Error> {
        self.forward_blocking(mask, dy)
    }

    /// [`keep_mask`](Self::keep_mask), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn keep_mask_blocking(&self, mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
        match self.start_keep_mask(mask, length)? {
            Some(readback) => readback.finish_blocking(),
            None => Ok(vec![]),
        }
    }

    /// None when there is nothing to run: no elements, or everything kept.
    fn start_forward(&self, mask: &Mask, x: &[f32]) -> Result<Option<Readback>, Error> {
        mask.check_length(x.len() as u64)?;
        self.check_device()?;
        if x.is_empty() || mask.keeps_all() {
            return Ok(None);
        }
        let bytes: &[u8] = bytemuck::cast_slice(x);
        let data = self.upload(bytes)?;
        self.read_back(&data, |encoder| self.record_forward(encoder, mask, &data, &data)).map(Some)
    }

    fn start_keep_mask(&self, mask: &Mask, length: u64) -> Result<Option<Readback>, Error> {
        mask.check_length(length)?;
        self.check_device()?;
        if length == 0 {
            return Ok(None);
        }
        let size = length.div_ceil(32) * 4;
        let words = self.create_buffer(size, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
        self.read_back(&words, |encoder| self.record_keep_mask(encoder, mask, &words, length)).map(Some)
    }

    /// A new storage buffer with this content.
    pub(super) fn upload(&self, bytes: &[u8]) -> Result<wgpu::Buffer, Error> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = self.create_buffer(bytes.len() as u64, usage)?;
        scoped(&self.inner.device, "upload", || self.inner.queue.write_buffer(&buffer, 0, bytes))?;
        Ok(buffer)
    }

    pub(super) fn create_buffer(&self, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, Error> {
        let limit = self.inner.limits.max_buffer_size;
        if size > limit {
            return Err(Error::TooLarge { bytes: size, limit, what: "max_buffer_size" });
        }
        scoped(&self.inner.device, "buffer", || {
            self.inner.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgpu-dropout slice"),
                size,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// Submits what `record` appends, then a copy of `buffer` to where the host can read it.
    pub(super) fn read_back(
        &self,
        buffer: &wgpu::Buffer,
        record: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<(), Error>,
    ) -> Result<Readback, Error> {
        let staging = self.create_buffer(buffer.size(), wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ)?;
        let submission = self.submit(|encoder| {
            record(encoder)?;
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
            Ok(())
        })?;
        let mapping = Mapping::default();
        let callback = mapping.clone();
        scoped(&self.inner.device, "read-back", || {
            staging.map_async(wgpu::MapMode::Read, .., move |result| {
                callback.set(result.map_err(|error| error.to_string()));
            });
        })?;
        Ok(Readback { context: self.clone(), staging, submission, mapping })
    }
}

/// A result on its way to the host.
pub(super) struct Readback {
    context: Context,
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    mapping: Mapping,
}

impl Readback {
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn finish_blocking<T: bytemuck::Pod>(self) -> Result<Vec<T>, Error> {
        self.mapping.wait_for_device(&self.context.inner.device, &self.submission);
        pollster::block_on(self.mapping.clone()).and_then(|()| self.take()).map_err(|error| self.explain(error))
    }

    pub(super) async fn finish<T: bytemuck::Pod>(self) -> Result<Vec<T>, Error> {
        // Someone must poll the device on native, and an executor's thread must not be blocked: a thread of its own.
        // In browsers the event loop does it.
        #[cfg(not(target_arch = "wasm32"))]
        {
            let (mapping, device) = (self.mapping.clone(), self.context.inner.device.clone());
            let submission = self.submission.clone();
            std::thread::spawn(move || mapping.wait_for_device(&device, &submission));
        }
        self.mapping.clone().await.and_then(|()| self.take()).map_err(|error| self.explain(error))
    }

    fn take<T: bytemuck::Pod>(&self) -> Result<Vec<T>, String> {
        let view = self.staging.get_mapped_range(..).map_err(|error| error.to_string())?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }

    fn explain(&self, message: String) -> Error {
        self.context.check_device().err().unwrap_or(Error::Device { what: "read-back", message })
    }
}

/// A `map_async` as a future.
#[derive(Clone, Default)]
struct Mapping {
    state: Arc<Mutex<MappingState>>,
}

#[derive(Default)]
struct MappingState {
    result: Option<Result<(), String>>,
    waker: Option<Waker>,
}

impl Mapping {
    /// Keeps the first result.
    fn set(&self, result: Result<(), String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.result.get_or_insert(result);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Blocks until the device has run the submission and called back. Sets a result in any case, so that nobody
    /// waits for a device that is gone.
    #[cfg(not(target_arch = "wasm32"))]
    fn wait_for_device(&self, device: &wgpu::Device, submission: &wgpu::SubmissionIndex) {
        let wait = || device.poll(wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: None });
        if let Err(error) = wait() {
            return self.set(Err(error.to_string()));
        }
        // Another thread's poll may have taken our callback and be about to run it.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !self.is_done() && std::time::Instant::now() < patience {
            std::thread::yield_now();
        }
        self.set(Err("the device never called back".into()));
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn is_done(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).result.is_some()
    }
}

impl Future for Mapping {
    type Output = Result<(), String>;

    fn poll(self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
