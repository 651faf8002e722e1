//! Buffers bound once, recorded with many keys: the fast path of training, which calls dropout thousands of times on
//! the same buffers.

use std::ops::Range;

use super::{
    Record,
    call::Call,
    context::Context,
    device_errors::scoped,
    device_key::KeyedMask,
    dispatch::{Groups, record},
    given_mask::{Given, bind_given},
    pipelines::{Access, Decision, Extent, Kernel, KeySource, Operation, RUN},
    range::{BufferRange, Window},
};
use crate::{Dtype, Error, MaskFormat, wgsl::KeepRule};

/// An input and an output range bound for dropout. Made by [`Context::bind`]. It keeps the two buffers alive.
#[derive(Debug)]
pub struct Bound {
    context: Context,
    dtype: Dtype,
    in_place: bool,
    /// The buffer that is written: nothing else of a call may be read from it.
    output: wgpu::Buffer,
    /// Elements.
    length: u64,
    pieces: Vec<Piece>,
}

/// An output range bound for keep masks. Made by [`Context::bind_mask`]. It keeps the buffer alive.
#[derive(Debug)]
pub struct BoundMask {
    context: Context,
    format: MaskFormat,
    output: wgpu::Buffer,
    length: u64,
    pieces: Vec<Piece>,
}

/// A part of the elements that fits the device's bindings.
#[derive(Debug)]
pub(super) struct Piece {
    bind_group: wgpu::BindGroup,
    access: Access,
    /// Elements of the range before the piece.
    first: u64,
    length: u64,
    /// Elements (of a packed mask: words) from the start of the binding.
    input_offset: u64,
    output_offset: u64,
    /// The mask, where one is given.
    pub(super) given: Option<Given>,
}

impl Context {
    /// Binds an input and an output of the same length and type, for [`Bound::record_forward`]. The same range for both
    /// means in place. Ranges larger than a binding of the device are bound in pieces.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Dtype`], [`Error::Size`], [`Error::OutOfBounds`], [`Error::Alignment`],
    /// [`Error::LastWord`], [`Error::Usage`], [`Error::Overlap`], and [`Error::Device`] for a buffer that was destroyed
    /// or belongs to another device.
    pub fn bind<'a>(
        &self,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<Bound, Error> {
        self.bind_ranges(input.into(), output.into(), None)
    }

    /// [`bind`](Self::bind), with a given mask where `mask` is its range.
    pub(super) fn bind_ranges(
        &self,
        input: BufferRange<'_>,
        output: BufferRange<'_>,
        mask: Option<BufferRange<'_>>,
    ) -> Result<Bound, Error> {
        self.check_device()?;
        let (dtype, element) = (input.dtype, input.dtype.size());
        if dtype != output.dtype {
            return Err(Error::Dtype { input: dtype, output: output.dtype });
        }
        input.check("input", element)?;
        output.check("output", element)?;
        if input.size != output.size {
            return Err(Error::Length { input: input.size, output: output.size });
        }
        let one_buffer = input.buffer == output.buffer;
        let in_place = one_buffer && input.offset == output.offset;
        let words = |range: &BufferRange<'_>| (range.offset / 4, range.end().div_ceil(4));
        let ((input_start, input_end), (output_start, output_end)) = (words(&input), words(&output));
        if one_buffer && !in_place && input.size > 0 && input_start < output_end && output_start < input_end {
            return Err(Error::Overlap {
                input_start: input.offset,
                input_end: input.end(),
                output_start: output.offset,
                output_end: output.end(),
            });
        }
        let length = input.size / element;
        if let Some(mask) = &mask {
            check_mask_range(mask, length, MaskFormat::Bits)?;
        }
        // One binding for both ranges would cover a mask between them.
        let mask_beside = mask.is_some_and(|mask| mask.buffer == output.buffer);
        let pieces = self.split(length, element, if one_buffer && !in_place { 2 } else { 1 }, |elements| {
            let bytes = elements.start * element..elements.end * element;
            let part = |range: &BufferRange<'_>| range.offset + bytes.start..range.offset + bytes.end;
            let window = |range: Range<u64>| Window::new(range.start, range.end, &self.inner.limits);
            let (from, to) = (part(&input), part(&output));
            let union = window(from.start.min(to.start)..from.end.max(to.end));
            let (from_window, to_window) = (window(from.clone()), window(to.clone()));
            let apart = !from_window.overlaps(&to_window);
            let (access, from_window, to_window) = match one_buffer {
                false => (Access::Separate, from_window, to_window),
                true if apart && (mask_beside || union.size() > self.binding_limit()) => {
                    (Access::Windows, from_window, to_window)
                }
                true => (Access::Shared, union, union),
            };
            let written = if one_buffer { &[from_window, to_window][..] } else { &[to_window] };
            let given =
                mask.as_ref().map(|mask| bind_given(self, mask, &elements, output.buffer, written)).transpose()?;
            let bindings = [from_window.binding(input.buffer), to_window.binding(output.buffer)];
            let bindings = if access == Access::Shared { &bindings[..1] } else { &bindings };
            Ok(Piece {
                bind_group: bind_buffers(self, self.inner.pipelines.buffers_layout(access), bindings)?,
                access,
                first: elements.start,
                length: elements.end - elements.start,
                input_offset: from_window.bytes_before(from.start) / element,
                output_offset: to_window.bytes_before(to.start) / element,
                given,
            })
        })?;
        Ok(Bound { context: self.clone(), dtype, in_place, output: output.buffer.clone(), length, pieces })
    }

    /// Binds an output for [`BoundMask::record_keep_mask`] of `length` elements: of [`MaskFormat::size`] bytes.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_mask<'a>(
        &self,
        output: impl Into<BufferRange<'a>>,
        length: u64,
        format: MaskFormat,
    ) -> Result<BoundMask, Error> {
        let output = output.into();
        self.check_device()?;
        check_mask_range(&output, length, format)?;
        // What the output offset counts: words of bits, or bytes.
        let unit = if format == MaskFormat::Bits { 4 } else { 1 };
        // A mask of bits has few bytes; its positions, 32-bit too, are what limits a piece.
        let bytes_each = if format == MaskFormat::Bits { 2 } else { 1 };
        let pieces = self.split(length, bytes_each, 1, |elements| {
            let start = output.offset + format.size(elements.start);
            let end = output.offset + format.size(elements.end);
            let window = Window::new(start, end, &self.inner.limits);
            Ok(Piece {
                bind_group: bind_buffers(
                    self,
                    self.inner.pipelines.buffers_layout(Access::Shared),
                    &[window.binding(output.buffer)],
                )?,
                access: Access::Shared,
                first: elements.start,
                length: elements.end - elements.start,
                input_offset: 0,
                output_offset: window.bytes_before(start) / unit,
                given: None,
            })
        })?;
        Ok(BoundMask { context: self.clone(), format, output: output.buffer.clone(), length, pieces })
    }

    /// Bytes that a binding can have, as far as 32-bit positions reach.
    fn binding_limit(&self) -> u64 {
        self.inner.limits.max_storage_buffer_binding_size.min(1 << 31)
    }

    /// Splits `length` elements of `bytes_each` into pieces of which `ranges` fit a binding together, and binds them.
    /// Each but the last is a whole number of runs.
    fn split(
        &self,
        length: u64,
        bytes_each: u64,
        ranges: u64,
        bind: impl Fn(Range<u64>) -> Result<Piece, Error>,
    ) -> Result<Vec<Piece>, Error> {
        // A window may start up to an alignment early, and end in a started word.
        let around = u64::from(self.inner.limits.min_storage_buffer_offset_alignment) + 4;
        let most = (self.binding_limit() / ranges - around) / bytes_each;
        let step = if length <= most { length.max(1) } else { most - most % RUN };
        let starts = (0..length).step_by(step as usize);
        starts.map(|start| bind(start..length.min(start + step))).collect()
    }
}

fn check_mask_range(range: &BufferRange<'_>, length: u64, format: MaskFormat) -> Result<(), Error> {
    range.check("mask", if format == MaskFormat::Bits { 4 } else { 1 })?;
    if range.size != format.size(length) {
        return Err(Error::Size { role: "mask", size: range.size, remedy: MaskFormat::REMEDY });
    }
    Ok(())
}

pub(super) fn bind_buffers(
    context: &Context,
    layout: &wgpu::BindGroupLayout,
    bindings: &[wgpu::BindingResource<'_>],
) -> Result<wgpu::BindGroup, Error> {
    let entries: Vec<_> = (0..)
        .zip(bindings)
        .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource: resource.clone() })
        .collect();
    scoped(&context.inner.device, "buffers", || {
        context.inner.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("wgpu-dropout buffers"),
            layout,
            entries: &entries,
        })
    })
}

impl Bound {
    /// Appends `y = keep ? x·scale : +0` to an encoder or a compute pass. Where everything is kept, the bits are
    /// copied unchanged; in place nothing is appended then.
    ///
    /// # Errors
    /// [`Error::IndexRange`] when the mask reaches past the generator's range, [`Error::View`], [`Error::SameBuffer`]
    /// for a key in the output's buffer, [`Error::DeviceLost`] and [`Error::Device`] of the library's own objects.
    /// Nothing is appended then.
    pub fn record_forward<'k>(&self, recorder: &mut impl Record, mask: impl Into<KeyedMask<'k>>) -> Result<(), Error> {
        let mask = mask.into();
        mask.check(self.length, &self.output)?;
        let operation = match mask.mask.keeps_all() {
            true if self.in_place => return self.context.check_device(),
            true => Operation::Identity,
            false => Operation::Inverted,
        };
        self.record_pieces(recorder, operation, |piece, lead| decide(&mask, piece, lead))
    }

    /// Appends `dx = keep ? dy·scale : +0`, with the mask regenerated from the key: the same pass as
    /// [`record_forward`](Self::record_forward), with the gradient as the input.
    ///
    /// # Errors
    /// As [`record_forward`](Self::record_forward).
    pub fn record_backward<'k>(&self, recorder: &mut impl Record, mask: impl Into<KeyedMask<'k>>) -> Result<(), Error> {
        self.record_forward(recorder, mask)
    }

    /// Appends an operation, with the decision that `decide` gives a piece and its lead.
    pub(super) fn record_pieces<'a>(
        &'a self,
        recorder: &mut impl Record,
        operation: Operation,
        decide: impl Fn(&'a Piece, u64) -> Decided<'a>,
    ) -> Result<(), Error> {
        self.context.check_device()?;
        let quad = 16 / self.dtype.size();
        let mut dispatches = vec![];
        for piece in &self.pieces {
            // Positions count from the first output word.
            let lead = piece.output_offset % (4 / self.dtype.size());
            let end = lead + piece.length;
            // Four words at a time needs both ranges at a multiple of 16 bytes, and then only for whole workgroups.
            let body = match (piece.input_offset | piece.output_offset) % quad {
                0 => end - end % self.context.inner.pipelines.workgroup_elements(),
                _ => 0,
            };
            let Decided { decision, call, group } = decide(piece, lead);
            let groups = Groups { buffers: &piece.bind_group, decision: group };
            let body_extent = Extent::Body(self.context.inner.layout);
            for (extent, positions) in [(body_extent, 0..body), (Extent::Edge, body..end)] {
                let kernel = Kernel::Dropout { decision, operation, dtype: self.dtype, access: piece.access, extent };
                self.context.plan(&mut dispatches, kernel, groups, positions, call)?;
            }
        }
        record(recorder, &dispatches);
        Ok(())
    }
}

impl BoundMask {
    /// Appends the keep mask.
    ///
    /// # Errors
    /// As [`Bound::record_forward`].
    pub fn record_keep_mask<'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<KeyedMask<'k>>,
    ) -> Result<(), Error> {
        let mask = mask.into();
        mask.check(self.length, &self.output)?;
        self.context.check_device()?;
        let mut dispatches = vec![];
        for piece in &self.pieces {
            let lead = if self.format == MaskFormat::Bits { 0 } else { piece.output_offset % 4 };
            let Decided { decision, call, group } = decide(&mask, piece, lead);
            let groups = Groups { buffers: &piece.bind_group, decision: group };
            let kernel = Kernel::KeepMask { decision, format: self.format };
            self.context.plan(&mut dispatches, kernel, groups, 0..lead + piece.length, call)?;
        }
        record(recorder, &dispatches);
        Ok(())
    }
}

impl Piece {
    /// The parameters of the piece but for its positions and what decides.
    pub(super) fn call(&self, rule: KeepRule) -> Call {
        Call {
            rule,
            row_pitch: [0; 2],
            first: 0,
            length: 0,
            input_offset: self.input_offset as u32,
            output_offset: self.output_offset as u32,
            row_length: 0,
            column: 0,
        }
    }
}

/// What decides about a piece, and how it is told.
pub(super) struct Decided<'a> {
    pub(super) decision: Decision,
    pub(super) call: Call,
    /// What the decision reads beside the parameters.
    pub(super) group: Option<&'a wgpu::BindGroup>,
}

fn decide<'k>(mask: &KeyedMask<'k>, piece: &Piece, lead: u64) -> Decided<'k> {
    let KeyedMask { mask, key } = mask;
    let mask = mask.skip(piece.first);
    let (view, generator) = (mask.view(), mask.generator());
    let mut call = piece.call(KeepRule::from(&mask));
    let mut source = KeySource::Parameter;
    if let Some(key) = key {
        source = KeySource::Buffer;
        // Not looked at otherwise: see shaders/key_buffer.wgsl.
        call.rule.seed = [key.offset, 0];
    }
    let decision = if mask.keeps_all() {
        Decision::All
    } else if view.is_contiguous() || view.column() + piece.length <= view.row_length() {
        // One row, from position 0 on.
        let start = view.index(0).wrapping_sub(lead);
        call.rule.start = [start as u32, (start >> 32) as u32];
        Decision::Random { generator, key: source, aligned: start.is_multiple_of(RUN) }
    } else {
        // For several rows in a piece: then they fit.
        call.row_length = view.row_length() as u32;
        call.column = view.column() as u32;
        call.row_pitch = [view.row_pitch() as u32, (view.row_pitch() >> 32) as u32];
        Decision::Rows { generator, key: source }
    };
    let group = key.filter(|_| decision != Decision::All).map(|key| &key.read);
    Decided { decision, call, group }
}

const _: () = assert!(RUN == 32, "a run is one word of keep bits");
