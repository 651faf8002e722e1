//! `DropBlock` on every tier: several launches, recorded as one call.

use smallvec::SmallVec;

use super::{
    bind::{Ready, create_bind_group, record_all},
    buffer_range::BufferRange,
    context::Context,
    device_key::{BoundKey, Keyed},
    error_scope::Reports,
    record::Record,
    transfer::Readback,
};
use crate::{
    BlockMask, Element, Error, MaskFormat,
    kernels::{Binding, BlockOperands, BlockOutput, Operand, Stage, stages},
    reference,
};

/// The ranges of a call.
#[derive(Clone, Copy)]
struct BlockRanges<'a> {
    /// None where the packed mask itself is the output.
    input: Option<BufferRange<'a>>,
    output: BufferRange<'a>,
    scratch: BufferRange<'a>,
}

impl BlockMask {
    /// This mask with the key that lies in a buffer when the commands run, instead of its own.
    pub fn keyed_by(self, key: &BoundKey) -> Keyed<'_, Self> {
        Keyed::new(self, key)
    }
}

impl Context {
    /// Appends `DropBlock`: `y = keep ? x·scale : +0`, with the scale of the mask's
    /// [`BlockScaling`](crate::BlockScaling). The same range for input and output means in place. The backward pass is
    /// the same, with the gradient for x.
    ///
    /// `scratch` has at least [`BlockMask::scratch_size`] bytes from a multiple of 256 on, in a buffer of its own. What
    /// it holds before does not matter; calls that may run one after the other can share it.
    ///
    /// # Errors
    /// [`Error::Size`] unless the input has as many elements as the mask and the scratch is large enough,
    /// [`Error::ScratchBuffer`], [`Error::TooLarge`] for an axis of 2³¹ elements, for rows under a block that are more
    /// than a binding, and as [`BlockMask::expected_scale`]; [`Error::Unsupported`] where a counted scale needs a
    /// fourth storage buffer that the device does not bind; and those of [`record`](Self::record). Nothing is appended
    /// then.
    pub fn record_drop_block<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, BlockMask>>,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
        scratch: impl Into<BufferRange<'a>>,
    ) -> Result<(), Error> {
        let ranges = BlockRanges { input: Some(input.into()), output: output.into(), scratch: scratch.into() };
        self.record_blocks(&mut Reports::now(), recorder, mask.into(), ranges)
    }

    /// Appends the packed mask of `DropBlock` alone: [`MaskFormat::Bits`] of its elements.
    ///
    /// # Errors
    /// As [`record_drop_block`](Self::record_drop_block).
    pub fn record_block_mask<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, BlockMask>>,
        output: impl Into<BufferRange<'a>>,
        scratch: impl Into<BufferRange<'a>>,
    ) -> Result<(), Error> {
        let ranges = BlockRanges { input: None, output: output.into(), scratch: scratch.into() };
        self.record_blocks(&mut Reports::now(), recorder, mask.into(), ranges)
    }

    /// Submits [`record_drop_block`](Self::record_drop_block).
    ///
    /// # Errors
    /// As [`record_drop_block`](Self::record_drop_block), and what the device says of the submission.
    pub fn submit_drop_block<'a, 'k>(
        &self,
        mask: impl Into<Keyed<'k, BlockMask>>,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
        scratch: impl Into<BufferRange<'a>>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit_recorded(&mut Reports::now(), |_, encoder| {
            self.record_drop_block(encoder, mask, input, output, scratch)
        })
    }

    /// `DropBlock` of a slice: `y = keep ? x·scale : +0`. It makes its own scratch.
    ///
    /// # Errors
    /// [`Error::Size`] unless there are as many elements as the mask has, [`Error::TooLarge`] for more than a buffer
    /// holds,
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Device`].
    pub async fn drop_block<T: Element>(&self, mask: &BlockMask, x: &[T]) -> Result<Vec<T>, Error> {
        self.check_device()?;
        let mut y = reference::reserve(x.len() as u64)?;
        self.prepare::<T>().await;
        let mut reports = Reports::later();
        let readback = self.start_drop_block(&mut reports, mask, x)?;
        self.finish(reports, readback, &mut y, x.len()).await?;
        Ok(y)
    }

    /// [`drop_block`](Self::drop_block), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`drop_block`](Self::drop_block).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn drop_block_blocking<T: Element>(&self, mask: &BlockMask, x: &[T]) -> Result<Vec<T>, Error> {
        self.check_device()?;
        let mut y = reference::reserve(x.len() as u64)?;
        self.prepare_blocking::<T>();
        self.start_drop_block(&mut Reports::now(), mask, x)?.finish_into_blocking(&mut y, x.len())?;
        Ok(y)
    }

    /// The packed mask of `DropBlock`: element j is bit `j & 31` of word `j >> 5`, 1 = kept.
    ///
    /// # Errors
    /// As [`drop_block`](Self::drop_block).
    pub async fn block_mask(&self, mask: &BlockMask) -> Result<Vec<u32>, Error> {
        self.check_device()?;
        let count = mask.elements().div_ceil(32);
        let mut words = reference::reserve(count)?;
        let mut reports = Reports::later();
        let readback = self.start_block_mask(&mut reports, mask)?;
        self.finish(reports, readback, &mut words, usize::try_from(count).unwrap_or(usize::MAX)).await?;
        Ok(words)
    }

    /// [`block_mask`](Self::block_mask), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`drop_block`](Self::drop_block).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn block_mask_blocking(&self, mask: &BlockMask) -> Result<Vec<u32>, Error> {
        self.check_device()?;
        let count = mask.elements().div_ceil(32);
        let mut words = reference::reserve(count)?;
        let readback = self.start_block_mask(&mut Reports::now(), mask)?;
        readback.finish_into_blocking(&mut words, usize::try_from(count).unwrap_or(usize::MAX))?;
        Ok(words)
    }

    fn start_drop_block<T: Element>(
        &self,
        reports: &mut Reports,
        mask: &BlockMask,
        x: &[T],
    ) -> Result<Readback, Error> {
        let data = self.upload(reports, bytemuck::cast_slice(x))?;
        let range = BufferRange::new(&data, 0, size_of_val(x) as u64).with_dtype(T::DTYPE);
        self.start_blocks(reports, mask, &data, Some(range), range)
    }

    fn start_block_mask(&self, reports: &mut Reports, mask: &BlockMask) -> Result<Readback, Error> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let words = self.create_buffer(reports, MaskFormat::Bits.size(mask.elements()), usage)?;
        self.start_blocks(reports, mask, &words, None, BufferRange::from(&words))
    }

    fn start_blocks(
        &self,
        reports: &mut Reports,
        mask: &BlockMask,
        data: &wgpu::Buffer,
        input: Option<BufferRange<'_>>,
        output: BufferRange<'_>,
    ) -> Result<Readback, Error> {
        let scratch = self.create_buffer(reports, mask.scratch_size(), wgpu::BufferUsages::STORAGE)?;
        let ranges = BlockRanges { input, output, scratch: BufferRange::from(&scratch) };
        self.read_back(reports, data, |reports, encoder| self.record_blocks(reports, encoder, mask.into(), ranges))
    }

    fn record_blocks(
        &self,
        reports: &mut Reports,
        recorder: &mut impl Record,
        mask: Keyed<'_, BlockMask>,
        ranges: BlockRanges<'_>,
    ) -> Result<(), Error> {
        self.check_not_lost()?;
        mask.check(self, ranges.output.buffer)?;
        mask.check(self, ranges.scratch.buffer)?;
        let stages = stages(&self.target(), mask.value(), mask.key_place(), &ranges.operands()?)?;
        // Whatever can fail comes first.
        let ready = stages.iter().map(|stage| Bound::new(self, reports, stage, &ranges));
        let ready = ready.collect::<Result<SmallVec<[_; 8]>, _>>()?;
        if ready.iter().all(|bound| bound.launches.is_empty()) {
            return Ok(());
        }
        recorder.in_compute_pass(&mut |pass| {
            for bound in &ready {
                let group_2 = bound.scale.as_ref().or(mask.bind_group());
                record_all(pass, &bound.launches, |launch| &bound.bind_groups[launch.chunk()], group_2);
            }
        });
        Ok(())
    }
}

impl<'a> BlockRanges<'a> {
    /// The ranges without their buffers, which are numbered as in [`buffer`](Self::buffer), and checked as far as one
    /// alone can be.
    fn operands(&self) -> Result<BlockOperands, Error> {
        let operand = |range: &BufferRange<'_>| {
            let number =
                (0..).zip(self.all()).find_map(|(number, other)| (other.buffer == range.buffer).then_some(number));
            Operand::new(number.unwrap_or_default(), range.offset, range.size)
        };
        let output = operand(&self.output);
        let output = match &self.input {
            None => BlockOutput::Mask(output),
            Some(input) if input.dtype != self.output.dtype => {
                return Err(Error::Dtype { input: input.dtype, output: self.output.dtype });
            }
            Some(input) => BlockOutput::Values { dtype: input.dtype, input: operand(input), output },
        };
        if let Some(input) = &self.input {
            input.check("input")?;
        }
        self.output.check(if self.input.is_some() { "output" } else { "mask" })?;
        self.scratch.check("scratch")?;
        Ok(BlockOperands { output, scratch: operand(&self.scratch) })
    }

    fn all(&self) -> [BufferRange<'a>; 3] {
        [self.input.unwrap_or(self.output), self.output, self.scratch]
    }

    fn resource(&self, binding: &Binding) -> wgpu::BindingResource<'a> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: self.all()[binding.buffer as usize].buffer,
            offset: binding.offset,
            size: wgpu::BufferSize::new(binding.size),
        })
    }
}

/// A stage of which everything that can fail has been done.
struct Bound<'a> {
    launches: SmallVec<[Ready<'a>; 2]>,
    /// One for each chunk.
    bind_groups: SmallVec<[wgpu::BindGroup; 1]>,
    scale: Option<wgpu::BindGroup>,
}

impl<'a> Bound<'a> {
    fn new(
        context: &Context,
        reports: &mut Reports,
        stage: &'a Stage,
        ranges: &BlockRanges<'_>,
    ) -> Result<Self, Error> {
        let inner = &context.inner;
        let bind_groups = stage.chunks.iter().map(|(bindings, layout)| {
            let resources: SmallVec<[_; 3]> = bindings.iter().map(|binding| ranges.resource(binding)).collect();
            create_bind_group(context, reports, inner.pipelines.operands_layout(&inner.device, *layout), &resources)
        });
        let bind_groups = bind_groups.collect::<Result<_, _>>()?;
        let scale = match stage.reads_scale {
            true => Some(ranges.bind_scale(context, reports)?),
            false => None,
        };
        let launches = stage.launches.iter().map(|launch| Ready::new(context, reports, launch));
        Ok(Self { launches: launches.collect::<Result<_, _>>()?, bind_groups, scale })
    }
}

impl BlockRanges<'_> {
    /// The header of the scratch, for the kernels that read the scale there.
    fn bind_scale(&self, context: &Context, reports: &mut Reports) -> Result<wgpu::BindGroup, Error> {
        if context.inner.limits.max_storage_buffers_per_shader_stage < 4 {
            let reason = "it binds fewer than the 4 storage buffers of a counted scale; request \
                          max_storage_buffers_per_shader_stage, or use BlockScaling::Expected";
            return Err(Error::unsupported(&context.adapter_info().name, reason.to_owned()));
        }
        let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: self.scratch.buffer,
            offset: self.scratch.offset,
            size: wgpu::BufferSize::new(16),
        });
        create_bind_group(context, reports, context.inner.pipelines.key_layout(), &[resource])
    }
}
