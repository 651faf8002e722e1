//! Audits on the device: the operation itself runs, and a kernel compares.

use std::ops::Range;

use super::{
    bind::{Ready, create_bind_group, record_all},
    buffer_range::{BufferRange, Ranges},
    context::Context,
    error_scope::Reports,
    transfer::Readback,
};
use crate::{
    Audit, Dropout, Dtype, Element, Error, Key, MaskFormat, Operation,
    audit::{Candidate, Counts, Question, Search},
    kernels::{AUDIT_WORDS, Comparison, Operand, check_operand},
    reference,
};

/// What is audited.
#[derive(Clone, Copy)]
enum Data<'a> {
    Slices { x: &'a [u8], y: &'a [u8], dtype: Dtype },
    Buffers { x: BufferRange<'a>, y: BufferRange<'a> },
}

/// One of the two.
#[derive(Clone, Copy)]
enum Side {
    X,
    Y,
}

/// Elements on the device: a range of a buffer of the caller's, or of one of the library's own.
struct Part {
    buffer: wgpu::Buffer,
    offset: u64,
    size: u64,
    dtype: Dtype,
}

impl Part {
    fn range(&self) -> BufferRange<'_> {
        BufferRange::new(&self.buffer, self.offset, self.size).with_dtype(self.dtype)
    }

    fn operand(&self, buffer: u32) -> Operand {
        Operand::new(buffer, self.offset, self.size)
    }
}

impl Data<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Slices { dtype, .. } => *dtype,
            Self::Buffers { x, .. } => x.dtype,
        }
    }

    /// How many elements there are, when the two go together.
    fn check(&self) -> Result<u64, Error> {
        let (x, y) = match self {
            Self::Slices { x, y, .. } => (x.len() as u64, y.len() as u64),
            Self::Buffers { x, y } => {
                if x.dtype != y.dtype {
                    return Err(Error::Dtype { input: x.dtype, output: y.dtype });
                }
                for (range, role) in [(x, "input"), (y, "output")] {
                    check_operand(role, &Operand::new(0, range.offset, range.size), x.dtype.size())?;
                    range.check(role)?;
                }
                (x.size, y.size)
            }
        };
        if x != y {
            return Err(Error::Length { input: x, output: y });
        }
        Ok(x / self.dtype().size())
    }

    /// Some elements of a side on the device.
    fn part(
        &self,
        context: &Context,
        reports: &mut Reports,
        side: Side,
        first: u64,
        count: u64,
    ) -> Result<Part, Error> {
        let dtype = self.dtype();
        let (offset, size) = (first * dtype.size(), count * dtype.size());
        match (self, side) {
            (Self::Slices { x, .. }, Side::X) => {
                let buffer = context.upload(reports, &x[bytes(offset, size)])?;
                Ok(Part { buffer, offset: 0, size, dtype })
            }
            (Self::Slices { y, .. }, Side::Y) => {
                let buffer = context.upload(reports, &y[bytes(offset, size)])?;
                Ok(Part { buffer, offset: 0, size, dtype })
            }
            (Self::Buffers { x: range, .. }, Side::X) | (Self::Buffers { y: range, .. }, Side::Y) => {
                Ok(Part { buffer: range.buffer.clone(), offset: range.offset + offset, size, dtype })
            }
        }
    }
}

fn bytes(offset: u64, size: u64) -> Range<usize> {
    // Of a slice.
    let index = |byte| usize::try_from(byte).unwrap_or(usize::MAX);
    index(offset)..index(offset + size)
}

impl Context {
    /// Whether `y` is what a forward or backward pass makes of `x`, the first element that is not, and what would explain
    /// it: a neighbouring step, layer, sample or start, the other generator, … The device computes and compares;
    /// [`reference::audit`](crate::reference::audit) is the same on the CPU, and says what counts as right. Give a
    /// [`Mask`](crate::Mask) for its forward pass.
    ///
    /// ```no_run
    /// # use wgpu_dropout::*;
    /// # fn f(context: &Context, mask: &Mask, x: &[f32], y: &[f32]) -> Result<(), Error> {
    /// let audit = context.audit_blocking(mask, x, y)?;
    /// assert!(audit.is_right(), "{audit}");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`] unless `x` and `y` are equally long, [`Error::Operands`] for other operations,
    /// [`Error::IndexRange`], [`Error::View`], [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Device`].
    pub async fn audit<T: Element>(&self, operation: impl Into<Operation>, x: &[T], y: &[T]) -> Result<Audit, Error> {
        let (x, y) = (bytemuck::cast_slice(x), bytemuck::cast_slice(y));
        self.audit_data(operation.into(), Data::Slices { x, y, dtype: T::DTYPE }).await
    }

    /// [`audit`](Self::audit), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`audit`](Self::audit).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn audit_blocking<T: Element>(
        &self,
        operation: impl Into<Operation>,
        x: &[T],
        y: &[T],
    ) -> Result<Audit, Error> {
        pollster::block_on(self.audit(operation, x, y))
    }

    /// [`audit`](Self::audit) of elements in buffers, which stay there: a few KiB come back. What was submitted before is
    /// seen. The ranges may be in one buffer, and overlap.
    ///
    /// # Errors
    /// Those of [`audit`](Self::audit), and [`Error::Dtype`], [`Error::Size`], [`Error::OutOfBounds`],
    /// [`Error::Alignment`], [`Error::LastWord`], [`Error::Usage`].
    pub async fn audit_buffers<'a>(
        &self,
        operation: impl Into<Operation>,
        x: impl Into<BufferRange<'a>>,
        y: impl Into<BufferRange<'a>>,
    ) -> Result<Audit, Error> {
        self.audit_data(operation.into(), Data::Buffers { x: x.into(), y: y.into() }).await
    }

    /// [`audit_buffers`](Self::audit_buffers), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`audit_buffers`](Self::audit_buffers).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn audit_buffers_blocking<'a>(
        &self,
        operation: impl Into<Operation>,
        x: impl Into<BufferRange<'a>>,
        y: impl Into<BufferRange<'a>>,
    ) -> Result<Audit, Error> {
        pollster::block_on(self.audit_buffers(operation, x, y))
    }

    async fn audit_data(&self, operation: Operation, data: Data<'_>) -> Result<Audit, Error> {
        let elements = data.check()?;
        let mut search = Search::new(operation, elements, self.audit_chunk(data.dtype()))?;
        self.check_device()?;
        if data.dtype() == Dtype::F16 {
            // Integers are always right.
            let _ = self.probe_f16().await;
        }
        while let Some(question) = search.next() {
            let counts = self.compare(&data, &question).await?;
            search.answer(&question, &counts);
        }
        let mut bits = None;
        if let Some((position, operation)) = search.first_mismatch() {
            let copy = Operation::Forward(Dropout::new(0.0)?.mask(Key::default()));
            let mut found = [0; 3];
            let looks = [(Side::X, copy), (Side::X, operation), (Side::Y, copy)];
            for (bits, (side, operation)) in found.iter_mut().zip(looks) {
                let element = self.elements(&data, side, operation, position, 1).await?;
                *bits = element.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte));
            }
            bits = Some(found);
        }
        Ok(search.finish(data.dtype(), bits))
    }

    /// Elements of a comparison: what a buffer of 64 MiB and a binding hold.
    fn audit_chunk(&self, dtype: Dtype) -> u64 {
        let target = &self.inner.target;
        let room = target.max_binding_size.min(self.inner.limits.max_buffer_size).min(1 << 26);
        let most = room.saturating_sub(u64::from(target.binding_alignment) + 4) / dtype.size();
        (most - most % 32).max(32)
    }

    async fn compare(&self, data: &Data<'_>, question: &Question) -> Result<Counts, Error> {
        let mut reports = Reports::later();
        let (readback, comparison) = self.start_comparison(&mut reports, data, question)?;
        let mut words = vec![];
        self.finish(reports, readback, &mut words, AUDIT_WORDS).await?;
        let (counts, is_certain) = comparison.counts(&words);
        if is_certain {
            return Ok(counts);
        }
        // Some differ as a flushed subnormal does. The reference knows exactly.
        let copy = Operation::Forward(Dropout::new(0.0)?.mask(Key::default()));
        let x = self.elements(data, Side::X, copy, question.first, question.count).await?;
        let y = self.elements(data, Side::Y, copy, question.first, question.count).await?;
        reference::compare_bytes(data.dtype(), &question.candidate, &x, &y)
    }

    fn start_comparison(
        &self,
        reports: &mut Reports,
        data: &Data<'_>,
        question: &Question,
    ) -> Result<(Readback, Comparison), Error> {
        let &Question { candidate, first, count } = question;
        let (inner, dtype) = (&self.inner, data.dtype());
        let x = data.part(self, reports, Side::X, first, count)?;
        let y = data.part(self, reports, Side::Y, first, count)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        // What is copied is x itself.
        let computed = match candidate.copies() {
            true => None,
            false => {
                let size = count * dtype.size();
                let buffer = self.create_buffer(reports, size.next_multiple_of(4), usage)?;
                Some(Part { buffer, offset: 0, size, dtype })
            }
        };
        let bits = match candidate {
            Candidate::Unscaled(_) => {
                Some(self.create_buffer(reports, MaskFormat::Bits.size(count), wgpu::BufferUsages::STORAGE)?)
            }
            _ => None,
        };
        let mut passes = vec![];
        match (&computed, candidate, &bits) {
            (Some(computed), Candidate::Operation(operation), _) => {
                passes.push((Ranges::new(x.range(), computed.range()), operation));
            }
            (Some(computed), Candidate::Unscaled(mask), Some(bits)) => {
                passes.push((Ranges::mask(bits, count, MaskFormat::Bits), Operation::KeepMask(mask)));
                let ranges = Ranges::new(x.range(), computed.range()).with_packed_mask(bits);
                passes.push((ranges, Operation::ApplyMask { scale: 1.0 }));
            }
            _ => {}
        }
        let expected = computed.as_ref().unwrap_or(&x);
        let tolerant = !candidate.copies();
        let comparison = Comparison::new(&inner.target, dtype, &y.operand(0), &expected.operand(1), tolerant);
        let output = self.create_buffer(reports, AUDIT_WORDS as u64 * 4, usage)?;
        let layout = inner.pipelines.operands_layout(&inner.device, comparison.launch.kernel().layout());
        let [of_y, of_expected] = [(&y, 0), (expected, 1)].map(|(part, i)| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &part.buffer,
                offset: comparison.bindings[i].offset,
                size: wgpu::BufferSize::new(comparison.bindings[i].size),
            })
        });
        let resources = [of_y, of_expected, output.as_entire_binding()];
        let bind_group = create_bind_group(self, reports, layout, &resources)?;
        let readback = self.read_back(reports, &output, |reports, encoder| {
            for (ranges, operation) in passes {
                self.bind_reporting(reports, ranges)?.record_reporting(reports, encoder, operation.into())?;
            }
            let ready = [Ready::new(self, reports, &comparison.launch)?];
            record_all(encoder, &ready, |_| &bind_group, None);
            Ok(())
        })?;
        Ok((readback, comparison))
    }

    /// What an operation makes of some elements of a side, as bytes.
    async fn elements(
        &self,
        data: &Data<'_>,
        side: Side,
        operation: Operation,
        first: u64,
        count: u64,
    ) -> Result<Vec<u8>, Error> {
        let mut reports = Reports::later();
        let size = count * data.dtype().size();
        let readback = {
            let part = data.part(self, &mut reports, side, first, count)?;
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
            let buffer = self.create_buffer(&mut reports, size.next_multiple_of(4), usage)?;
            let output = Part { buffer, offset: 0, size, dtype: part.dtype };
            let bound = self.bind_reporting(&mut reports, Ranges::new(part.range(), output.range()))?;
            self.read_back(&mut reports, &output.buffer, |reports, encoder| {
                bound.record_reporting(reports, encoder, operation.into())
            })?
        };
        let mut bytes = reference::reserve(size)?;
        let count = usize::try_from(size).unwrap_or(usize::MAX);
        self.finish(reports, readback, &mut bytes, count).await?;
        Ok(bytes)
    }
}
