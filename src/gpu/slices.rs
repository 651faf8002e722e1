//! The slice tier: uploads, runs, reads back. The simplest way, and the slowest: the transfers cost far more than
//! the dropout.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};

use super::{context::Context, device_errors::scoped, pipelines::RUN, range::BufferRange};
use crate::{Element, Error, Mask, MaskFormat, reference};

/// Slices go through buffers of at most 256 MiB, so that a large one does not need its size on the device twice.
const MOST_BYTES: u64 = 1 << 28;

impl Context {
    /// `y = keep ? x·scale : +0`. Slices larger than a buffer of the device go through in pieces.
    ///
    /// # Errors
    /// [`Error::IndexRange`], [`Error::View`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Device`].
    pub async fn forward<T: Element>(&self, mask: &Mask, x: &[T]) -> Result<Vec<T>, Error> {
        let mut y = self.start_slice(mask, x)?;
        for chunk in self.chunks_after(y.len(), x) {
            let mask = mask.skip(y.len() as u64);
            self.start_forward(&mask, chunk)?.finish_into(&mut y, chunk.len()).await?;
        }
        Ok(y)
    }

    /// `dx = keep ? dy·scale : +0`, with the mask regenerated from the key.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn backward<T: Element>(&self, mask: &Mask, dy: &[T]) -> Result<Vec<T>, Error> {
        self.forward(mask, dy).await
    }

    /// The packed keep mask of `length` elements: element j is bit `j & 31` of word `j >> 5`, 1 = kept.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn keep_mask(&self, mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
        let mut words = self.start_mask(mask, length)?;
        while (words.len() as u64) < length.div_ceil(32) {
            let (readback, count) = self.start_keep_mask(mask, words.len() as u64 * 32, length)?;
            readback.finish_into(&mut words, count).await?;
        }
        Ok(words)
    }

    /// `y = keep ? x·scale : +0` with a given packed mask, as [`keep_mask`](Self::keep_mask) returns one.
    ///
    /// # Errors
    /// [`Error::Size`] unless the mask has `⌈x.len()/32⌉` words, and those of [`forward`](Self::forward).
    pub async fn apply_mask<T: Element>(&self, mask: &[u32], scale: f32, x: &[T]) -> Result<Vec<T>, Error> {
        let mut y = self.start_apply_mask(mask, x)?;
        for chunk in self.chunks_after(0, x) {
            self.start_apply(&mask[y.len() / 32..], scale, chunk)?.finish_into(&mut y, chunk.len()).await?;
        }
        Ok(y)
    }

    /// [`forward`](Self::forward), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward_blocking<T: Element>(&self, mask: &Mask, x: &[T]) -> Result<Vec<T>, Error> {
        let mut y = self.start_slice(mask, x)?;
        for chunk in self.chunks_after(y.len(), x) {
            let mask = mask.skip(y.len() as u64);
            self.start_forward(&mask, chunk)?.finish_into_blocking(&mut y, chunk.len())?;
        }
        Ok(y)
    }

    /// [`backward`](Self::backward), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn backward_blocking<T: Element>(&self, mask: &Mask, dy: &[T]) -> Result<Vec<T>, Error> {
        self.forward_blocking(mask, dy)
    }

    /// [`keep_mask`](Self::keep_mask), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn keep_mask_blocking(&self, mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
        let mut words = self.start_mask(mask, length)?;
        while (words.len() as u64) < length.div_ceil(32) {
            let (readback, count) = self.start_keep_mask(mask, words.len() as u64 * 32, length)?;
            readback.finish_into_blocking(&mut words, count)?;
        }
        Ok(words)
    }

    /// [`apply_mask`](Self::apply_mask), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`apply_mask`](Self::apply_mask).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn apply_mask_blocking<T: Element>(&self, mask: &[u32], scale: f32, x: &[T]) -> Result<Vec<T>, Error> {
        let mut y = self.start_apply_mask(mask, x)?;
        for chunk in self.chunks_after(0, x) {
            self.start_apply(&mask[y.len() / 32..], scale, chunk)?.finish_into_blocking(&mut y, chunk.len())?;
        }
        Ok(y)
    }

    /// The part of the result that needs no device: all of it where everything is kept, else nothing.
    fn start_slice<T: Element>(&self, mask: &Mask, x: &[T]) -> Result<Vec<T>, Error> {
        mask.check_length(x.len() as u64)?;
        self.check_device()?;
        let mut y = reserve(x.len() as u64)?;
        if mask.keeps_all() {
            y.extend_from_slice(x);
        }
        Ok(y)
    }

    fn start_mask(&self, mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
        mask.check_length(length)?;
        self.check_device()?;
        reserve(length.div_ceil(32))
    }

    fn start_apply_mask<T: Element>(&self, mask: &[u32], x: &[T]) -> Result<Vec<T>, Error> {
        reference::check_mask_words(mask, x.len())?;
        self.check_device()?;
        reserve(x.len() as u64)
    }

    /// What follows the first `done` elements, in pieces that a buffer can hold.
    fn chunks_after<'a, T: Element>(&self, done: usize, x: &'a [T]) -> impl Iterator<Item = &'a [T]> + use<'a, T> {
        let chunk = self.buffer_limit() / T::DTYPE.size();
        x[done..].chunks(chunk as usize)
    }

    /// Bytes of a buffer of a slice: a multiple of a run of the largest element.
    fn buffer_limit(&self) -> u64 {
        let limit = self.inner.limits.max_buffer_size.min(MOST_BYTES);
        limit - limit % (RUN * 4)
    }

    fn start_forward<T: Element>(&self, mask: &Mask, x: &[T]) -> Result<Readback, Error> {
        let data = self.upload(bytemuck::cast_slice(x))?;
        let range = BufferRange::new(&data, 0, size_of_val(x) as u64).with_dtype(T::DTYPE);
        self.read_back(&data, |encoder| self.record_forward(encoder, mask, range, range))
    }

    /// The mask's words may go on after those of `x`.
    fn start_apply<T: Element>(&self, mask: &[u32], scale: f32, x: &[T]) -> Result<Readback, Error> {
        let words = self.upload(bytemuck::cast_slice(&mask[..x.len().div_ceil(32)]))?;
        let data = self.upload(bytemuck::cast_slice(x))?;
        let range = BufferRange::new(&data, 0, size_of_val(x) as u64).with_dtype(T::DTYPE);
        self.read_back(&data, |encoder| self.record_apply_mask(encoder, &words, scale, range, range))
    }

    /// The mask from element `first` on, as far as a buffer can hold it.
    fn start_keep_mask(&self, mask: &Mask, first: u64, length: u64) -> Result<(Readback, usize), Error> {
        let length = (length - first).min(self.buffer_limit() * 8);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let words = self.create_buffer(MaskFormat::Bits.size(length), usage)?;
        let readback = self.read_back(&words, |encoder| {
            self.record_keep_mask(encoder, &mask.skip(first), &words, length, MaskFormat::Bits)
        })?;
        Ok((readback, length.div_ceil(32) as usize))
    }

    /// A new storage buffer with this content, padded to whole words.
    pub(super) fn upload(&self, bytes: &[u8]) -> Result<wgpu::Buffer, Error> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = self.create_buffer((bytes.len() as u64).next_multiple_of(4), usage)?;
        let (words, rest) = bytes.split_at(bytes.len() - bytes.len() % 4);
        scoped(&self.inner.device, "upload", || {
            self.inner.queue.write_buffer(&buffer, 0, words);
            if !rest.is_empty() {
                let mut last = [0; 4];
                last[..rest.len()].copy_from_slice(rest);
                self.inner.queue.write_buffer(&buffer, words.len() as u64, &last);
            }
        })?;
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

/// Room on the host for a result, or an error instead of the abort that a vector would make of it.
pub(super) fn reserve<T>(length: u64) -> Result<Vec<T>, Error> {
    let mut vec = Vec::new();
    let reserved = usize::try_from(length).ok().and_then(|length| vec.try_reserve_exact(length).ok());
    reserved.map(|()| vec).ok_or(Error::OutOfMemory { what: "result on the host" })
}

/// A result on its way to the host.
pub(super) struct Readback {
    context: Context,
    staging: wgpu::Buffer,
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "browsers have nothing to wait with"))]
    submission: wgpu::SubmissionIndex,
    mapping: Mapping,
}

impl Readback {
    /// Appends the first `count` elements to `out`, which has room for them.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn finish_into_blocking<T: bytemuck::Pod>(self, out: &mut Vec<T>, count: usize) -> Result<(), Error> {
        self.mapping.wait_for_device(&self.context.inner.device, &self.submission);
        pollster::block_on(self.mapping.clone())
            .and_then(|()| self.copy_into(out, count))
            .map_err(|error| self.explain(error))
    }

    pub(super) async fn finish_into<T: bytemuck::Pod>(self, out: &mut Vec<T>, count: usize) -> Result<(), Error> {
        // Someone must poll the device on native, and an executor's thread must not be blocked: a thread of its own.
        // In browsers the event loop does it.
        #[cfg(not(target_arch = "wasm32"))]
        {
            let (mapping, device) = (self.mapping.clone(), self.context.inner.device.clone());
            let submission = self.submission.clone();
            std::thread::spawn(move || mapping.wait_for_device(&device, &submission));
        }
        self.mapping.clone().await.and_then(|()| self.copy_into(out, count)).map_err(|error| self.explain(error))
    }

    fn copy_into<T: bytemuck::Pod>(&self, out: &mut Vec<T>, count: usize) -> Result<(), String> {
        let view = self.staging.get_mapped_range(..).map_err(|error| error.to_string())?;
        let bytes = &view[..count * size_of::<T>()];
        match bytemuck::try_cast_slice(bytes) {
            Ok(values) => out.extend_from_slice(values),
            // Mapped memory is aligned in practice; nothing promises it.
            Err(_) => out.extend(bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned::<T>)),
        }
        Ok(())
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
