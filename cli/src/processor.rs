//! Who computes: a GPU, or the CPU reference on every core.

use std::{num::NonZero, thread};

use wgpu_dropout::{Audit, Context, Element, Error, Generator, Key, Mask, Operation, Pass, Slice, Slices, reference};

pub enum Processor {
    Gpu(Context),
    Cpu,
}

/// Elements that every kernel and every thread handles whole: chunks of a multiple of this join without a seam.
const GRAIN: u64 = 2048;

impl Processor {
    /// An operation that gives an element for each element.
    pub fn run<T: Element + Send + Sync>(
        &self,
        operation: Operation,
        x: &[T],
        row_ids: Option<&[u32]>,
    ) -> Result<Vec<T>, Error> {
        let slices = |x| row_ids.map_or(Slices::new(x), |ids| Slices::new(x).with_row_ids(ids));
        match self {
            Self::Gpu(context) => context.run_blocking(operation, slices(x)),
            Self::Cpu => in_parts(x.len() as u64, |first, length| {
                reference::run(operation.skip(first), slices(&x[first as usize..][..length as usize]))
            }),
        }
    }

    /// The packed mask.
    pub fn keep_mask(&self, mask: &Mask, length: u64, row_ids: Option<&[u32]>) -> Result<Vec<u32>, Error> {
        match (self, row_ids) {
            (Self::Gpu(context), None) => context.keep_mask_blocking(mask, length),
            (Self::Gpu(context), Some(ids)) => context.gathered_keep_mask_blocking(mask, length, ids),
            (Self::Cpu, None) => in_parts(length, |first, length| reference::keep_mask(&mask.skip(first), length)),
            (Self::Cpu, Some(ids)) => {
                in_parts(length, |first, length| reference::gathered_keep_mask(&mask.skip(first), length, ids))
            }
        }
    }

    /// A pass, at once.
    pub fn run_pass(&self, pass: Pass<Slice<'_>>) -> Result<(), Error> {
        match self {
            Self::Gpu(context) => context.run_pass_blocking(pass),
            Self::Cpu => reference::run_pass(pass),
        }
    }

    /// The numbers of the kept rows.
    pub fn kept_rows(&self, mask: &Mask, rows: u64) -> Result<Vec<u32>, Error> {
        match self {
            Self::Gpu(context) => context.kept_rows_blocking(mask, rows),
            Self::Cpu => in_parts(rows, |first, length| {
                let mut kept = reference::kept_rows(&mask.skip(first), length)?;
                kept.iter_mut().for_each(|row| *row += first as u32);
                Ok(kept)
            }),
        }
    }

    /// Whether y is what the operation makes of x.
    pub fn audit<T: Element>(&self, operation: Operation, x: &[T], y: &[T]) -> Result<Audit, Error> {
        match self {
            Self::Gpu(context) => context.audit_blocking(operation, x, y),
            Self::Cpu => reference::audit(operation, x, y),
        }
    }

    /// Standard normals.
    pub fn normals(&self, generator: Generator, key: Key, start: u64, count: u64) -> Result<Vec<f32>, Error> {
        match self {
            Self::Gpu(context) => context.normals_blocking(generator, key, start, count),
            Self::Cpu => in_parts(count, |first, length| reference::normals(generator, key, start + first, length)),
        }
    }

    /// How many elements of at most 4 bytes to handle at once, so that memory stays bounded and the device can bind them.
    pub fn chunk_of_values(&self) -> u64 {
        self.chunk(1 << 22, 32)
    }

    /// How many samples of so many bytes to handle at once: as many as the device binds, because every call rounds the means,
    /// and not more than memory should hold.
    pub fn samples_at_once(&self, bytes: u64) -> u64 {
        const MOST: u64 = 1 << 28;
        let most = match self {
            Self::Gpu(context) => {
                let limits = context.device().limits();
                // A binding may start early.
                let binding = limits.max_storage_buffer_binding_size.saturating_sub(1024);
                MOST.min(binding).min(limits.max_buffer_size)
            }
            Self::Cpu => MOST,
        };
        (most / bytes.max(1)).max(1)
    }

    /// The same for the bits of a mask.
    pub fn chunk_of_mask(&self) -> u64 {
        match self {
            Self::Gpu(_) => self.chunk(1 << 26, 1),
            // The reference is far slower, and a reader of a pipe should not wait for long.
            Self::Cpu => 1 << 22,
        }
    }

    fn chunk(&self, wanted: u64, bits_per_element: u64) -> u64 {
        let Self::Gpu(context) = self else { return wanted };
        let limits = context.device().limits();
        let most_bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let most = most_bytes.saturating_mul(8) / bits_per_element;
        (wanted.min(most) / GRAIN * GRAIN).max(GRAIN)
    }
}

/// Splits `length` elements between threads and joins the results of `compute(first, length)` in order.
fn in_parts<T: Send>(length: u64, compute: impl Fn(u64, u64) -> Result<Vec<T>, Error> + Sync) -> Result<Vec<T>, Error> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let share = length.div_ceil(cores).next_multiple_of(GRAIN);
    let compute = &compute;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..length.div_ceil(share.max(1)))
            .map(|part| {
                let first = part * share;
                scope.spawn(move || compute(first, share.min(length - first)))
            })
            .collect();
        let mut whole = Vec::new();
        for thread in threads {
            let mut part = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            // The first part grows to the whole; with one core nothing is copied.
            if whole.is_empty() { whole = part } else { whole.append(&mut part) }
        }
        Ok(whole)
    })
}
