//! Passes on every tier: several stages, recorded as one call.

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
    Dtype, Error, Pass, Place, Slice,
    kernels::{Binding, Operand, PassPlan, Stage, Tensor},
    pass::{self, SCRATCH_ALIGNMENT},
    role::Role,
};

impl pass::sealed::Sealed for BufferRange<'_> {}

impl Place for BufferRange<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn bytes(&self) -> u64 {
        self.size
    }
}

impl<P> Pass<P> {
    /// This pass with the key that lies in a buffer when the commands run, instead of its mask's own.
    pub fn keyed_by(self, key: &BoundKey) -> Keyed<'_, Self> {
        Keyed::new(self, key)
    }
}

impl Context {
    /// Appends a pass to your encoder or compute pass.
    ///
    /// # Errors
    /// [`Error::Operands`] for other tensors than the pass needs, [`Error::Dtype`], [`Error::Size`], [`Error::Alignment`],
    /// [`Error::OutOfBounds`], [`Error::LastWord`], [`Error::Usage`], [`Error::Overlap`], [`Error::ScratchBuffer`],
    /// [`Error::IndexRange`] when the mask reaches past the generator's range, [`Error::TooLarge`], [`Error::Unsupported`],
    /// [`Error::SameBuffer`] for a key in a buffer that is written to, [`Error::NoRate`], [`Error::OtherContext`],
    /// [`Error::DeviceLost`], [`Error::Device`], and what the pass itself names. Nothing is appended then.
    pub fn record_pass<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        pass: impl Into<Keyed<'k, Pass<BufferRange<'a>>>>,
    ) -> Result<(), Error> {
        self.record_pass_reporting(&mut Reports::now(), recorder, &pass.into())
    }

    /// Submits a pass; never waits.
    ///
    /// # Errors
    /// As [`record_pass`](Self::record_pass), and what the device says of the submission.
    pub fn submit_pass<'a, 'k>(
        &self,
        pass: impl Into<Keyed<'k, Pass<BufferRange<'a>>>>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        let pass = pass.into();
        self.submit_recorded(&mut Reports::now(), |reports, encoder| {
            self.record_pass_reporting(reports, encoder, &pass)
        })
    }

    /// Runs a pass on slices: uploads what it reads, and copies what it writes to where that goes. It makes its own scratch.
    ///
    /// # Errors
    /// As [`record_pass`](Self::record_pass), [`Error::Operands`] for a slice that is written to and is not `&mut`, and
    /// [`Error::OutOfMemory`]. What is written to is unchanged then.
    pub async fn run_pass(&self, mut pass: Pass<Slice<'_>>) -> Result<(), Error> {
        let outputs = self.start_slice_pass(&mut pass)?;
        self.prepare_for(pass.check()?).await;
        let mut reports = Reports::later();
        let readback = self.start_pass(&mut reports, &pass, &outputs)?;
        let mut bytes = crate::reference::reserve(outputs.size)?;
        self.finish(reports, readback, &mut bytes, outputs.bytes()).await?;
        outputs.copy_to(&mut pass, &bytes)
    }

    /// [`run_pass`](Self::run_pass), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`run_pass`](Self::run_pass).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_pass_blocking(&self, mut pass: Pass<Slice<'_>>) -> Result<(), Error> {
        let outputs = self.start_slice_pass(&mut pass)?;
        self.prepare_for_blocking(pass.check()?);
        let readback = self.start_pass(&mut Reports::now(), &pass, &outputs)?;
        let mut bytes: Vec<u8> = crate::reference::reserve(outputs.size)?;
        readback.finish_into_blocking(&mut bytes, outputs.bytes())?;
        outputs.copy_to(&mut pass, &bytes)
    }

    fn start_slice_pass(&self, pass: &mut Pass<Slice<'_>>) -> Result<Outputs, Error> {
        pass.check()?;
        self.check_device()?;
        Outputs::new(pass)
    }

    /// Uploads what the pass reads, and has all that it writes in one buffer.
    fn start_pass(&self, reports: &mut Reports, pass: &Pass<Slice<'_>>, outputs: &Outputs) -> Result<Readback, Error> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let written = self.create_buffer(reports, outputs.size.max(4), usage)?;
        let needs = pass.work.needs();
        let is_updated = |role| needs.iter().any(|need| need.role == role && need.is_updated);
        let mut uploaded: SmallVec<[wgpu::Buffer; 4]> = SmallVec::new();
        for (role, slice) in &pass.tensors {
            match outputs.offset(*role) {
                None => uploaded.push(self.upload(reports, slice.as_bytes())?),
                Some(offset) if is_updated(*role) => {
                    self.write(reports, &written, offset, slice.as_bytes())?;
                }
                Some(_) => {}
            }
        }
        let scratch = pass.work.scratch_size();
        let scratch =
            if scratch > 0 { Some(self.create_buffer(reports, scratch, wgpu::BufferUsages::STORAGE)?) } else { None };
        let mut uploaded = uploaded.iter();
        let ranges = pass.tensors.iter().filter_map(|(role, slice)| {
            let (buffer, offset) = match outputs.offset(*role) {
                None => (uploaded.next()?, 0),
                Some(offset) => (&written, offset),
            };
            Some((*role, BufferRange::new(buffer, offset, slice.bytes()).with_dtype(slice.dtype())))
        });
        let tensors = ranges.collect();
        let on_device = Pass { work: pass.work, tensors, scratch: scratch.as_ref().map(BufferRange::from) };
        self.read_back(reports, &written, |reports, encoder| {
            self.record_pass_reporting(reports, encoder, &on_device.into())
        })
    }

    fn record_pass_reporting(
        &self,
        reports: &mut Reports,
        recorder: &mut impl Record,
        keyed: &Keyed<'_, Pass<BufferRange<'_>>>,
    ) -> Result<(), Error> {
        self.check_not_lost()?;
        let pass = keyed.value();
        let written = pass.tensors.iter().filter(|(role, _)| role.is_written()).map(|(_, range)| range);
        for range in written.chain(&pass.scratch) {
            keyed.check(self, range.buffer)?;
        }
        let ranges = Numbered::new(pass);
        let plan = PassPlan::new(&self.target(), &ranges.tensors(pass), keyed.key_place())?;
        for (role, range) in &pass.tensors {
            range.check(role.name())?;
        }
        pass.scratch.map_or(Ok(()), |scratch| scratch.check("scratch"))?;
        // Whatever can fail comes first.
        let ready = plan.stages().iter().map(|stage| Bound::new(self, reports, stage, &ranges));
        let ready = ready.collect::<Result<SmallVec<[_; 8]>, _>>()?;
        if ready.iter().all(|bound| bound.launches.is_empty()) {
            return Ok(());
        }
        recorder.in_compute_pass(&mut |pass| {
            for bound in &ready {
                let group_2 = bound.scale.as_ref().or(keyed.bind_group());
                record_all(pass, &bound.launches, |launch| &bound.bind_groups[launch.chunk()], group_2);
            }
        });
        Ok(())
    }
}

/// Where each slice that a pass writes to lies in the one buffer of all of them.
struct Outputs {
    offsets: SmallVec<[(Role, u64); 4]>,
    size: u64,
}

impl Outputs {
    fn new(pass: &mut Pass<Slice<'_>>) -> Result<Self, Error> {
        let mut outputs = Self { offsets: SmallVec::new(), size: 0 };
        for (role, slice) in pass.tensors.iter_mut().filter(|(role, _)| role.is_written()) {
            slice.as_bytes_mut()?;
            outputs.offsets.push((*role, outputs.size));
            outputs.size += slice.bytes().next_multiple_of(SCRATCH_ALIGNMENT);
        }
        Ok(outputs)
    }

    fn offset(&self, role: Role) -> Option<u64> {
        self.offsets.iter().find_map(|&(other, offset)| (other == role).then_some(offset))
    }

    fn bytes(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    fn copy_to(&self, pass: &mut Pass<Slice<'_>>, bytes: &[u8]) -> Result<(), Error> {
        for (role, slice) in &mut pass.tensors {
            if let Some(offset) = self.offset(*role).and_then(|offset| usize::try_from(offset).ok()) {
                let to = slice.as_bytes_mut()?;
                to.copy_from_slice(&bytes[offset..][..to.len()]);
            }
        }
        Ok(())
    }
}

/// The buffers of a pass, each with a number.
struct Numbered<'a> {
    buffers: SmallVec<[&'a wgpu::Buffer; 8]>,
}

impl<'a> Numbered<'a> {
    fn new(pass: &Pass<BufferRange<'a>>) -> Self {
        let ranges = pass.tensors.iter().map(|(_, range)| range).chain(&pass.scratch);
        let mut buffers = SmallVec::new();
        for range in ranges {
            if !buffers.contains(&range.buffer) {
                buffers.push(range.buffer);
            }
        }
        Self { buffers }
    }

    fn tensors(&self, pass: &Pass<BufferRange<'a>>) -> Pass<Tensor> {
        pass.map(|range| {
            let number =
                (0..).zip(&self.buffers).find_map(|(number, &other)| (other == range.buffer).then_some(number));
            Operand::new(number.unwrap_or_default(), range.offset, range.size).with_dtype(range.dtype)
        })
    }

    fn resource(&self, number: u32, offset: u64, size: u64) -> wgpu::BindingResource<'a> {
        let buffer = self.buffers[number as usize];
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(size) })
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
    fn new(context: &Context, reports: &mut Reports, stage: &'a Stage, of: &Numbered<'_>) -> Result<Self, Error> {
        let inner = &context.inner;
        let bind_groups = stage.chunks.iter().map(|(bindings, layout)| {
            let resource = |&Binding { buffer, offset, size, .. }: &Binding| of.resource(buffer, offset, size);
            let resources: SmallVec<[_; 4]> = bindings.iter().map(resource).collect();
            create_bind_group(context, reports, inner.pipelines.operands_layout(&inner.device, *layout), &resources)
        });
        let bind_groups = bind_groups.collect::<Result<_, _>>()?;
        let scale = stage.scale().map(|&Operand { buffer, offset, size }| {
            create_bind_group(context, reports, inner.pipelines.key_layout(), &[of.resource(buffer, offset, size)])
        });
        let scale = scale.transpose()?;
        let launches = stage.launches.iter().map(|launch| Ready::new(context, reports, launch));
        Ok(Self { launches: launches.collect::<Result<_, _>>()?, bind_groups, scale })
    }
}
