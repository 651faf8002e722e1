//! Buffers bound once, recorded with many keys: the fast path of training, which calls dropout thousands of times on
//! the same buffers.

use std::ops::Range;

use super::{
    Record,
    call::Call,
    context::Context,
    device_errors::scoped,
    pipelines::{Access, Decision, Extent, Kernel, Operation, RUN},
    range::{BufferRange, Window},
};
use crate::{Dtype, Error, Mask, MaskFormat, wgsl::KeepRule};

/// An input and an output range bound for dropout. Made by [`Context::bind`]. It keeps the two buffers alive.
#[derive(Debug)]
pub struct Bound {
    context: Context,
    dtype: Dtype,
    in_place: bool,
    /// Elements.
    length: u64,
    pieces: Vec<Piece>,
}

/// An output range bound for keep masks. Made by [`Context::bind_mask`]. It keeps the buffer alive.
#[derive(Debug)]
pub struct BoundMask {
    context: Context,
    format: MaskFormat,
    length: u64,
    pieces: Vec<Piece>,
}

/// A part of the elements that fits the device's bindings.
#[derive(Debug)]
struct Piece {
    bind_group: wgpu::BindGroup,
    access: Access,
    /// Elements of the range before the piece.
    first: u64,
    length: u64,
    /// Elements (of a packed mask: words) from the start of the binding.
    input_offset: u64,
    output_offset: u64,
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
        let (input, output) = (input.into(), output.into());
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
        let pieces = self.split(length, element, if one_buffer && !in_place { 2 } else { 1 }, |elements| {
            let bytes = elements.start * element..elements.end * element;
            let part = |range: &BufferRange<'_>| range.offset + bytes.start..range.offset + bytes.end;
            let window = |range: Range<u64>| Window::new(range.start, range.end, &self.inner.limits);
            let (from, to) = (part(&input), part(&output));
            let union = window(from.start.min(to.start)..from.end.max(to.end));
            let (access, from_window, to_window) = match one_buffer {
                false => (Access::Separate, window(from.clone()), window(to.clone())),
                true if union.size() <= self.binding_limit() => (Access::Shared, union, union),
                true => (Access::Windows, window(from.clone()), window(to.clone())),
            };
            let bindings = [from_window.binding(input.buffer), to_window.binding(output.buffer)];
            let bindings = if access == Access::Shared { &bindings[..1] } else { &bindings };
            Ok(Piece {
                bind_group: bind_buffers(self, access, bindings)?,
                access,
                first: elements.start,
                length: elements.end - elements.start,
                input_offset: from_window.bytes_before(from.start) / element,
                output_offset: to_window.bytes_before(to.start) / element,
            })
        })?;
        Ok(Bound { context: self.clone(), dtype, in_place, length, pieces })
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
        // What the output offset counts: words of bits, or bytes.
        let unit = if format == MaskFormat::Bits { 4 } else { 1 };
        output.check("mask", unit)?;
        if output.size != format.size(length) {
            let remedy = "a mask of bits has 4·⌈length/32⌉ bytes, a mask of bytes one for each element";
            return Err(Error::Size { role: "mask", size: output.size, remedy });
        }
        // A mask of bits has few bytes; its positions, 32-bit too, are what limits a piece.
        let bytes_each = if format == MaskFormat::Bits { 2 } else { 1 };
        let pieces = self.split(length, bytes_each, 1, |elements| {
            let start = output.offset + format.size(elements.start);
            let end = output.offset + format.size(elements.end);
            let window = Window::new(start, end, &self.inner.limits);
            Ok(Piece {
                bind_group: bind_buffers(self, Access::Shared, &[window.binding(output.buffer)])?,
                access: Access::Shared,
                first: elements.start,
                length: elements.end - elements.start,
                input_offset: 0,
                output_offset: window.bytes_before(start) / unit,
            })
        })?;
        Ok(BoundMask { context: self.clone(), format, length, pieces })
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

pub(super) fn bind_buffers(
    context: &Context,
    access: Access,
    bindings: &[wgpu::BindingResource<'_>],
) -> Result<wgpu::BindGroup, Error> {
    let entries: Vec<_> = (0..)
        .zip(bindings)
        .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource: resource.clone() })
        .collect();
    scoped(&context.inner.device, "buffers", || {
        context.inner.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("wgpu-dropout buffers"),
            layout: context.inner.pipelines.buffers_layout(access),
            entries: &entries,
        })
    })
}

impl Bound {
    /// Appends `y = keep ? x·scale : +0` to an encoder or a compute pass. Where everything is kept, the bits are
    /// copied unchanged; in place nothing is appended then.
    ///
    /// # Errors
    /// [`Error::IndexRange`] when the mask reaches past the generator's range, [`Error::View`], [`Error::DeviceLost`]
    /// and [`Error::Device`] of the library's own objects. Nothing is appended then.
    pub fn record_forward(&self, recorder: &mut impl Record, mask: &Mask) -> Result<(), Error> {
        mask.check_length(self.length)?;
        self.context.check_device()?;
        let operation = match mask.keeps_all() {
            true if self.in_place => return Ok(()),
            true => Operation::Identity,
            false => Operation::Inverted,
        };
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
            let (decision, call) = call(&mask.skip(piece.first), piece, lead);
            let body_extent = Extent::Body(self.context.inner.layout);
            for (extent, positions) in [(body_extent, 0..body), (Extent::Edge, body..end)] {
                let kernel = Kernel::Dropout { decision, operation, dtype: self.dtype, access: piece.access, extent };
                self.context.plan(&mut dispatches, kernel, piece, positions, call)?;
            }
        }
        record(recorder, &dispatches);
        Ok(())
    }

    /// Appends `dx = keep ? dy·scale : +0`, with the mask regenerated from the key: the same pass as
    /// [`record_forward`](Self::record_forward), with the gradient as the input.
    ///
    /// # Errors
    /// As [`record_forward`](Self::record_forward).
    pub fn record_backward(&self, recorder: &mut impl Record, mask: &Mask) -> Result<(), Error> {
        self.record_forward(recorder, mask)
    }
}

impl BoundMask {
    /// Appends the keep mask.
    ///
    /// # Errors
    /// As [`Bound::record_forward`].
    pub fn record_keep_mask(&self, recorder: &mut impl Record, mask: &Mask) -> Result<(), Error> {
        mask.check_length(self.length)?;
        self.context.check_device()?;
        let mut dispatches = vec![];
        for piece in &self.pieces {
            let lead = if self.format == MaskFormat::Bits { 0 } else { piece.output_offset % 4 };
            let (decision, call) = call(&mask.skip(piece.first), piece, lead);
            let kernel = Kernel::KeepMask { decision, format: self.format };
            self.context.plan(&mut dispatches, kernel, piece, 0..lead + piece.length, call)?;
        }
        record(recorder, &dispatches);
        Ok(())
    }
}

/// The decision that a mask needs, and the parameters of a piece but for its positions. `mask` is that of the piece.
fn call(mask: &Mask, piece: &Piece, lead: u64) -> (Decision, Call) {
    let (view, generator) = (mask.view(), mask.generator());
    let mut rule = KeepRule::from(mask);
    let mut set_start = |start: u64| rule.start = [start as u32, (start >> 32) as u32];
    let decision = if mask.keeps_all() {
        Decision::All
    } else if view.is_contiguous() || view.column() + piece.length <= view.row_length() {
        // One row, from position 0 on.
        let start = view.index(0).wrapping_sub(lead);
        set_start(start);
        Decision::Random { generator, aligned: start.is_multiple_of(RUN) }
    } else {
        Decision::Rows { generator }
    };
    let pitch = view.row_pitch();
    let call = Call {
        rule,
        row_pitch: [pitch as u32, (pitch >> 32) as u32],
        first: 0,
        length: 0,
        input_offset: piece.input_offset as u32,
        output_offset: piece.output_offset as u32,
        // Only looked at for several rows in a piece, and then they fit.
        row_length: view.row_length() as u32,
        column: view.column() as u32,
    };
    (decision, call)
}

/// One dispatch, ready to be recorded: whatever can fail has been done.
struct Dispatch<'a> {
    pipeline: wgpu::ComputePipeline,
    buffers: &'a wgpu::BindGroup,
    parameters: Parameters,
    workgroups: [u32; 2],
}

enum Parameters {
    Immediates(Call),
    Slot(wgpu::BindGroup, u32),
}

impl Context {
    /// Splits positions into dispatches of at most the device's workgroups a dimension.
    fn plan<'a>(
        &self,
        dispatches: &mut Vec<Dispatch<'a>>,
        kernel: Kernel,
        piece: &'a Piece,
        positions: Range<u64>,
        mut call: Call,
    ) -> Result<(), Error> {
        if positions.is_empty() {
            return Ok(());
        }
        let inner = &self.inner;
        let pipeline = inner.pipelines.get(&inner.device, kernel)?;
        let workgroup_elements = inner.pipelines.workgroup_elements();
        let most = u64::from(inner.limits.max_compute_workgroups_per_dimension);
        let mut first = positions.start;
        while first < positions.end {
            // Whole rows of workgroups, then what is left of a row: no workgroup lies outside of the range.
            let workgroups = (positions.end - first).div_ceil(workgroup_elements);
            let [x, y] = if workgroups <= most { [workgroups, 1] } else { [most, (workgroups / most).min(most)] };
            call.first = first as u32;
            call.length = positions.end as u32;
            let parameters = match &inner.slots {
                None => Parameters::Immediates(call),
                Some(slots) => {
                    let (bind_group, offset) = slots.write(&inner.device, &inner.queue, &call)?;
                    Parameters::Slot(bind_group, offset)
                }
            };
            let workgroups = [x as u32, y as u32];
            dispatches.push(Dispatch {
                pipeline: pipeline.clone(),
                buffers: &piece.bind_group,
                parameters,
                workgroups,
            });
            first += x * y * workgroup_elements;
        }
        Ok(())
    }
}

/// Appends what was planned. Nothing here can fail.
fn record(recorder: &mut impl Record, dispatches: &[Dispatch<'_>]) {
    if dispatches.is_empty() {
        return;
    }
    recorder.in_compute_pass(&mut |pass| {
        for dispatch in dispatches {
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, dispatch.buffers, &[]);
            match &dispatch.parameters {
                Parameters::Immediates(call) => pass.set_immediates(0, bytemuck::bytes_of(call)),
                Parameters::Slot(bind_group, offset) => pass.set_bind_group(1, bind_group, &[*offset]),
            }
            let [x, y] = dispatch.workgroups;
            pass.dispatch_workgroups(x, y, 1);
        }
    });
}

const _: () = assert!(RUN == 32, "a run is one word of keep bits");
