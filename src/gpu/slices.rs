//! The slice tier: uploads, runs, reads back. The simplest way, and the slowest: the transfers cost far more than
//! the dropout.

use super::{
    buffer_range::{BufferRange, Ranges},
    context::Context,
    error_scope::Reports,
    transfer::Readback,
};
use crate::{Element, Error, Mask, MaskFormat, Operation, Slices, reference};

/// Slices go through buffers of at most 256 MiB, so that a large one does not need its size on the device twice.
const MOST_BYTES: u64 = 1 << 28;

impl Context {
    /// An operation that gives an element for each element: every one but [`Operation::KeepMask`]. Slices larger than a
    /// buffer of the device go through in chunks.
    ///
    /// Natively a thread of the context's own waits for the device; in browsers the event loop does, and an error of the
    /// device is the error of this call there too.
    ///
    /// # Errors
    /// [`Error::Operands`] for other operands than the operation needs, [`Error::Size`] unless a packed mask has `⌈n/32⌉`
    /// words, [`Error::IndexRange`], [`Error::View`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Device`].
    pub async fn run<'a, T: Element>(
        &self,
        operation: Operation,
        slices: impl Into<Slices<'a, T>>,
    ) -> Result<Vec<T>, Error> {
        let slices = slices.into();
        let mut y = self.start_slices(&operation, &slices)?;
        if !operation.copies() {
            self.prepare::<T>().await;
        }
        while y.len() < slices.input.len() {
            let mut reports = Reports::later();
            let (readback, count) = self.start_chunk(&mut reports, operation, slices, y.len())?;
            self.finish(reports, readback, &mut y, count).await?;
        }
        Ok(y)
    }

    /// [`run`](Self::run), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_blocking<'a, T: Element>(
        &self,
        operation: Operation,
        slices: impl Into<Slices<'a, T>>,
    ) -> Result<Vec<T>, Error> {
        let slices = slices.into();
        let mut y = self.start_slices(&operation, &slices)?;
        if !operation.copies() {
            self.prepare_blocking::<T>();
        }
        while y.len() < slices.input.len() {
            let (readback, count) = self.start_chunk(&mut Reports::now(), operation, slices, y.len())?;
            readback.finish_into_blocking(&mut y, count)?;
        }
        Ok(y)
    }

    /// `y = keep ? x·scale : +0`: [`Operation::Forward`].
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn forward<T: Element>(&self, mask: &Mask, x: &[T]) -> Result<Vec<T>, Error> {
        self.run(Operation::Forward(*mask), x).await
    }

    /// `dx = keep ? dy·scale : +0`, with the mask regenerated from the key: [`Operation::Backward`].
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn backward<T: Element>(&self, mask: &Mask, dy: &[T]) -> Result<Vec<T>, Error> {
        self.run(Operation::Backward(*mask), dy).await
    }

    /// `y = keep ? x·scale : +0` with a packed mask of yours, as [`keep_mask`](Self::keep_mask) returns one:
    /// [`Operation::ApplyMask`].
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn apply_mask<T: Element>(&self, packed_mask: &[u32], scale: f32, x: &[T]) -> Result<Vec<T>, Error> {
        self.run(Operation::ApplyMask { scale }, Slices::new(x).with_packed_mask(packed_mask)).await
    }

    /// The packed keep mask of `length` elements: element j is bit `j & 31` of word `j >> 5`, 1 = kept.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn keep_mask(&self, mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
        self.packed_mask(mask, length, None).await
    }

    /// [`keep_mask`](Self::keep_mask) of a [gathered](Mask::gathered) mask, with an id for each row of its shape.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn gathered_keep_mask(&self, mask: &Mask, length: u64, row_ids: &[u32]) -> Result<Vec<u32>, Error> {
        self.packed_mask(mask, length, Some(row_ids)).await
    }

    async fn packed_mask(&self, mask: &Mask, length: u64, row_ids: Option<&[u32]>) -> Result<Vec<u32>, Error> {
        let mut words = self.start_mask(mask, length, row_ids)?;
        while (words.len() as u64) < length.div_ceil(32) {
            let mut reports = Reports::later();
            let first = words.len() as u64 * 32;
            let (readback, count) = self.start_keep_mask(&mut reports, mask, first, length, row_ids)?;
            self.finish(reports, readback, &mut words, count).await?;
        }
        Ok(words)
    }

    /// [`forward`](Self::forward), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward_blocking<T: Element>(&self, mask: &Mask, x: &[T]) -> Result<Vec<T>, Error> {
        self.run_blocking(Operation::Forward(*mask), x)
    }

    /// [`backward`](Self::backward), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn backward_blocking<T: Element>(&self, mask: &Mask, dy: &[T]) -> Result<Vec<T>, Error> {
        self.run_blocking(Operation::Backward(*mask), dy)
    }

    /// [`apply_mask`](Self::apply_mask), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn apply_mask_blocking<T: Element>(&self, packed_mask: &[u32], scale: f32, x: &[T]) -> Result<Vec<T>, Error> {
        self.run_blocking(Operation::ApplyMask { scale }, Slices::new(x).with_packed_mask(packed_mask))
    }

    /// [`keep_mask`](Self::keep_mask), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn keep_mask_blocking(&self, mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
        self.packed_mask_blocking(mask, length, None)
    }

    /// [`gathered_keep_mask`](Self::gathered_keep_mask), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn gathered_keep_mask_blocking(&self, mask: &Mask, length: u64, row_ids: &[u32]) -> Result<Vec<u32>, Error> {
        self.packed_mask_blocking(mask, length, Some(row_ids))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn packed_mask_blocking(&self, mask: &Mask, length: u64, row_ids: Option<&[u32]>) -> Result<Vec<u32>, Error> {
        let mut words = self.start_mask(mask, length, row_ids)?;
        while (words.len() as u64) < length.div_ceil(32) {
            let first = words.len() as u64 * 32;
            let (readback, count) = self.start_keep_mask(&mut Reports::now(), mask, first, length, row_ids)?;
            readback.finish_into_blocking(&mut words, count)?;
        }
        Ok(words)
    }

    /// Waits for a read-back, and for what the device says of the call, in browsers after it.
    pub(super) async fn finish<T: bytemuck::Pod>(
        &self,
        mut reports: Reports,
        readback: Readback,
        out: &mut Vec<T>,
        count: usize,
    ) -> Result<(), Error> {
        let before = out.len();
        let read = readback.finish_into(out, count).await;
        let reported = reports.wait().await;
        let proven = self.inner.pipelines.prove(reports.kernels()).await;
        // Why a pipeline was refused says more than that it cannot be used, and nothing else refuses one.
        let result = proven.and(reported).and(read);
        if result.is_err() {
            out.truncate(before);
            // In browsers they were kept before the device had said anything of them.
            self.inner.pipelines.forget(reports.kernels());
            self.inner.slots.forget();
            self.inner.normal_table.forget();
        }
        result
    }

    /// The part of the result that needs no device: all of it where the elements are copied, else nothing.
    fn start_slices<T: Element>(&self, operation: &Operation, slices: &Slices<'_, T>) -> Result<Vec<T>, Error> {
        slices.check(operation)?;
        self.check_device()?;
        let mut y = reference::reserve(slices.input.len() as u64)?;
        if operation.copies() {
            y.extend_from_slice(slices.input);
        }
        Ok(y)
    }

    fn start_mask(&self, mask: &Mask, length: u64, row_ids: Option<&[u32]>) -> Result<Vec<u32>, Error> {
        Operation::KeepMask(*mask).check(length, row_ids.map(|ids| ids.len() as u64))?;
        self.check_device()?;
        reference::reserve(length.div_ceil(32))
    }

    /// Bytes of a buffer of a slice: whole words of a packed mask, of the largest element.
    pub(super) fn buffer_limit(&self) -> u64 {
        let limit = self.inner.limits.max_buffer_size.min(MOST_BYTES);
        (limit - limit % 128).max(128)
    }

    /// What follows the first `done` elements, as far as a buffer can hold it.
    fn start_chunk<T: Element>(
        &self,
        reports: &mut Reports,
        operation: Operation,
        slices: Slices<'_, T>,
        done: usize,
    ) -> Result<(Readback, usize), Error> {
        let most = usize::try_from(self.buffer_limit() / T::DTYPE.size()).unwrap_or(usize::MAX);
        let chunk = slices.after(done);
        let chunk = chunk.first(chunk.input.len().min(most));
        let data = self.upload(reports, bytemuck::cast_slice(chunk.input))?;
        let range = BufferRange::new(&data, 0, size_of_val(chunk.input) as u64).with_dtype(T::DTYPE);
        let [words, ids] = [chunk.packed_mask, chunk.row_ids]
            .map(|words| words.map(|words| self.upload(reports, bytemuck::cast_slice(words))).transpose());
        let (words, ids) = (words?, ids?);
        let other = chunk.other.map(|other| self.upload(reports, bytemuck::cast_slice(other))).transpose()?;
        let mut ranges = Ranges::new(range, range);
        if let Some(words) = &words {
            ranges = ranges.with_packed_mask(words);
        }
        if let Some(ids) = &ids {
            ranges = ranges.with_row_ids(ids);
        }
        if let Some(other) = &other {
            ranges = ranges.with_other(BufferRange { buffer: other, ..range });
        }
        let operation = operation.skip(done as u64);
        let bound = self.bind_reporting(reports, ranges)?;
        let record = |reports: &mut Reports, encoder: &mut wgpu::CommandEncoder| {
            bound.record_reporting(reports, encoder, operation.into())
        };
        Ok((self.read_back(reports, &data, record)?, chunk.input.len()))
    }

    /// The mask from element `first` on, as far as a buffer can hold it.
    fn start_keep_mask(
        &self,
        reports: &mut Reports,
        mask: &Mask,
        first: u64,
        length: u64,
        row_ids: Option<&[u32]>,
    ) -> Result<(Readback, usize), Error> {
        let length = (length - first).min(self.buffer_limit() * 8);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let words = self.create_buffer(reports, MaskFormat::Bits.size(length), usage)?;
        let ids = row_ids.map(|ids| self.upload(reports, bytemuck::cast_slice(ids))).transpose()?;
        let ranges = Ranges::mask(&words, length, MaskFormat::Bits);
        let bound = self.bind_reporting(reports, ids.as_ref().map_or(ranges, |ids| ranges.with_row_ids(ids)))?;
        let operation = Operation::KeepMask(mask.skip(first));
        let record = |reports: &mut Reports, encoder: &mut wgpu::CommandEncoder| {
            bound.record_reporting(reports, encoder, operation.into())
        };
        Ok((self.read_back(reports, &words, record)?, usize::try_from(length.div_ceil(32)).unwrap_or(usize::MAX)))
    }
}
