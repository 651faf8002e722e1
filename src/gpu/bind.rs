//! Buffers bound once, recorded with many keys: the fast path of training, which calls dropout thousands of times on
//! the same buffers.

use super::{
    Record,
    call::Call,
    context::Context,
    device_errors::scoped,
    pipelines::{Access, Decision, Extent, Kernel, Operation, RUN},
    range::{BufferRange, Window},
};
use crate::{Error, Mask, wgsl::KeepRule};

/// An input and an output range bound for dropout. Made by [`Context::bind`]. It keeps the two buffers alive.
#[derive(Debug)]
pub struct Bound {
    context: Context,
    /// None when there is nothing to do: a length of 0.
    bind_group: Option<wgpu::BindGroup>,
    access: Access,
    in_place: bool,
    /// Elements.
    length: u64,
    input_offset: u32,
    output_offset: u32,
}

/// An output range bound for packed keep masks. Made by [`Context::bind_mask`]. It keeps the buffer alive.
#[derive(Debug)]
pub struct BoundMask {
    context: Context,
    bind_group: Option<wgpu::BindGroup>,
    length: u64,
    output_offset: u32,
}

impl Context {
    /// Binds an f32 input and an output of the same length, for [`Bound::record_forward`]. The same range for both
    /// means in place.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Size`], [`Error::OutOfBounds`], [`Error::Alignment`], [`Error::Usage`],
    /// [`Error::Overlap`], [`Error::TooLarge`], and [`Error::Device`] for a buffer that was destroyed or belongs to
    /// another device.
    pub fn bind<'a>(
        &self,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<Bound, Error> {
        let (input, output) = (input.into(), output.into());
        self.check_device()?;
        input.check("input")?;
        output.check("output")?;
        if input.size != output.size {
            return Err(Error::Length { input: input.size, output: output.size });
        }
        let one_buffer = input.buffer == output.buffer;
        let in_place = one_buffer && input.offset == output.offset;
        if one_buffer && !in_place && input.offset < output.end() && output.offset < input.end() {
            return Err(Error::Overlap {
                input_start: input.offset,
                input_end: input.end(),
                output_start: output.offset,
                output_end: output.end(),
            });
        }
        let access = if one_buffer { Access::Shared } else { Access::Separate };
        let length = input.size / 4;
        let context = self.clone();
        if length == 0 {
            let bind_group = None;
            return Ok(Bound { context, bind_group, access, in_place, length, input_offset: 0, output_offset: 0 });
        }
        let (input_window, output_window) = if one_buffer {
            let start = input.offset.min(output.offset);
            let window = Window::new(start, input.end().max(output.end()), &self.inner.limits)?;
            (window, window)
        } else {
            let window = |range: &BufferRange<'_>| Window::new(range.offset, range.end(), &self.inner.limits);
            (window(&input)?, window(&output)?)
        };
        let bindings = [input_window.binding(input.buffer), output_window.binding(output.buffer)];
        let bind_group = bind_buffers(self, access, if one_buffer { &bindings[..1] } else { &bindings })?;
        Ok(Bound {
            context,
            bind_group: Some(bind_group),
            access,
            in_place,
            length,
            input_offset: input_window.words_before(input.offset),
            output_offset: output_window.words_before(output.offset),
        })
    }

    /// Binds an output of 4·⌈length/32⌉ bytes for [`BoundMask::record_keep_mask`] of `length` elements.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_mask<'a>(&self, output: impl Into<BufferRange<'a>>, length: u64) -> Result<BoundMask, Error> {
        let output = output.into();
        self.check_device()?;
        output.check("mask")?;
        let size = length.div_ceil(32) * 4;
        if output.size != size {
            let remedy = "a packed mask has 4·⌈length/32⌉ bytes";
            return Err(Error::Size { role: "mask", size: output.size, remedy });
        }
        let context = self.clone();
        if length == 0 {
            return Ok(BoundMask { context, bind_group: None, length, output_offset: 0 });
        }
        // Local positions are 32-bit in the shader.
        let most = u64::from(u32::MAX) - self.inner.pipelines.workgroup_elements();
        if length > most {
            return Err(Error::TooLarge { bytes: size, limit: most / 8, what: "32-bit positions in a mask" });
        }
        let window = Window::new(output.offset, output.end(), &self.inner.limits)?;
        let bind_group = Some(bind_buffers(self, Access::Shared, &[window.binding(output.buffer)])?);
        Ok(BoundMask { context, bind_group, length, output_offset: window.words_before(output.offset) })
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
    /// [`Error::IndexRange`] when the mask's start + length is past the generator's range, [`Error::DeviceLost`] and
    /// [`Error::Device`] of the library's own objects. Nothing is appended then.
    pub fn record_forward(&self, recorder: &mut impl Record, mask: &Mask) -> Result<(), Error> {
        mask.check_length(self.length)?;
        self.context.check_device()?;
        let Some(bind_group) = &self.bind_group else { return Ok(()) };
        let (decision, operation) = match mask.keeps_all() {
            true if self.in_place => return Ok(()),
            true => (Decision::All, Operation::Identity),
            false => (Decision::of(mask), Operation::Inverted),
        };
        let pipelines = &self.context.inner.pipelines;
        // Four words at a time needs both ranges at a multiple of 16 bytes, and then only for whole workgroups.
        let body = match (self.input_offset | self.output_offset) % 4 {
            0 => self.length - self.length % pipelines.workgroup_elements(),
            _ => 0,
        };
        let mut dispatches = vec![];
        let body_extent = Extent::Body(self.context.inner.layout);
        for (extent, first, end) in [(body_extent, 0, body), (Extent::Edge, body, self.length)] {
            if first < end {
                let kernel = Kernel::Dropout { decision, operation, access: self.access, extent };
                self.context.plan(&mut dispatches, kernel, first..end, |first, length| Call {
                    rule: KeepRule::from(mask),
                    first,
                    length,
                    input_offset: self.input_offset,
                    output_offset: self.output_offset,
                })?;
            }
        }
        recorder.in_compute_pass(&mut |pass| dispatches.iter().for_each(|dispatch| dispatch.record(pass, bind_group)));
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
    /// Appends the packed keep mask: element j is bit `j & 31` of word `j >> 5`, 1 = kept, unused bits 0.
    ///
    /// # Errors
    /// As [`Bound::record_forward`].
    pub fn record_keep_mask(&self, recorder: &mut impl Record, mask: &Mask) -> Result<(), Error> {
        mask.check_length(self.length)?;
        self.context.check_device()?;
        let Some(bind_group) = &self.bind_group else { return Ok(()) };
        let decision = if mask.keeps_all() { Decision::All } else { Decision::of(mask) };
        let mut dispatches = vec![];
        self.context.plan(&mut dispatches, Kernel::KeepMask { decision }, 0..self.length, |first, length| Call {
            rule: KeepRule::from(mask),
            first,
            length,
            input_offset: 0,
            output_offset: self.output_offset,
        })?;
        recorder.in_compute_pass(&mut |pass| dispatches.iter().for_each(|dispatch| dispatch.record(pass, bind_group)));
        Ok(())
    }
}

impl Decision {
    fn of(mask: &Mask) -> Self {
        Self::Random { generator: mask.generator(), aligned: mask.start().is_multiple_of(RUN) }
    }
}

/// One dispatch, ready to be recorded: whatever can fail has been done.
struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    parameters: Parameters,
    workgroups: [u32; 2],
}

enum Parameters {
    Immediates(Call),
    Slot(wgpu::BindGroup, u32),
}

impl Context {
    /// Splits the elements `range` into dispatches of at most the device's workgroups a dimension.
    fn plan(
        &self,
        dispatches: &mut Vec<Dispatch>,
        kernel: Kernel,
        range: std::ops::Range<u64>,
        call: impl Fn(u32, u32) -> Call,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        let pipeline = inner.pipelines.get(&inner.device, kernel)?;
        let workgroup_elements = inner.pipelines.workgroup_elements();
        let most = u64::from(inner.limits.max_compute_workgroups_per_dimension);
        let mut first = range.start;
        while first < range.end {
            // Whole rows of workgroups, then what is left of a row: no workgroup lies outside of the range.
            let workgroups = (range.end - first).div_ceil(workgroup_elements);
            let [x, y] = if workgroups <= most { [workgroups, 1] } else { [most, (workgroups / most).min(most)] };
            let call = call(first as u32, range.end as u32);
            let parameters = match &inner.slots {
                None => Parameters::Immediates(call),
                Some(slots) => {
                    let (bind_group, offset) = slots.write(&inner.device, &inner.queue, &call)?;
                    Parameters::Slot(bind_group, offset)
                }
            };
            dispatches.push(Dispatch { pipeline: pipeline.clone(), parameters, workgroups: [x as u32, y as u32] });
            first += x * y * workgroup_elements;
        }
        Ok(())
    }
}

impl Dispatch {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>, buffers: &wgpu::BindGroup) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, buffers, &[]);
        match &self.parameters {
            Parameters::Immediates(call) => pass.set_immediates(0, bytemuck::bytes_of(call)),
            Parameters::Slot(bind_group, offset) => pass.set_bind_group(1, bind_group, &[*offset]),
        }
        let [x, y] = self.workgroups;
        pass.dispatch_workgroups(x, y, 1);
    }
}

const _: () = assert!(RUN == 32, "a run is one word of keep bits");
