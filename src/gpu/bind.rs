//! Buffers bound once, recorded with many keys: the fast path of training, which calls dropout thousands of times on
//! the same buffers.

use smallvec::SmallVec;

use super::{
    buffer_range::Ranges, context::Context, device_key::Keyed, error_scope::Reports, parameters::Slot, record::Record,
};
use crate::{
    Error, Generator, Key, Mask, Operation,
    kernels::{Launch, Launches, ParameterStyle, Plan},
};

/// Ranges of buffers bound for operations. Made by [`Context::bind`]. It keeps the buffers alive.
#[derive(Debug)]
pub struct Bound {
    context: Context,
    plan: Plan,
    /// One for each chunk of the plan.
    bind_groups: SmallVec<[wgpu::BindGroup; 1]>,
    /// The buffer that is written: no key may be read from it.
    output: wgpu::Buffer,
}

impl Context {
    /// Binds ranges of buffers for [`Bound::record`]. Ranges larger than a binding of the device are bound in chunks.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Dtype`], [`Error::Size`], [`Error::OutOfBounds`], [`Error::Alignment`],
    /// [`Error::LastWord`], [`Error::Usage`], [`Error::Overlap`], [`Error::DeviceLost`], and [`Error::Device`] for a buffer
    /// that was destroyed or belongs to another device.
    pub fn bind(&self, ranges: Ranges<'_>) -> Result<Bound, Error> {
        self.bind_reporting(&mut Reports::now(), ranges)
    }

    pub(super) fn bind_reporting(&self, reports: &mut Reports, ranges: Ranges<'_>) -> Result<Bound, Error> {
        self.check_not_lost()?;
        let plan = Plan::new(&self.target(), &ranges.operands()?)?;
        let inner = &self.inner;
        let bind_groups = (0..plan.chunks()).map(|chunk| {
            let layout = inner.pipelines.operands_layout(&inner.device, plan.layout(chunk));
            let resources: SmallVec<[_; 4]> = plan.bindings(chunk).iter().map(|b| ranges.resource(b)).collect();
            create_bind_group(self, reports, layout, &resources)
        });
        let bind_groups = bind_groups.collect::<Result<_, _>>()?;
        Ok(Bound { context: self.clone(), plan, bind_groups, output: ranges.output().clone() })
    }
}

pub(super) fn create_bind_group(
    context: &Context,
    reports: &mut Reports,
    layout: &wgpu::BindGroupLayout,
    resources: &[wgpu::BindingResource<'_>],
) -> Result<wgpu::BindGroup, Error> {
    let entries: SmallVec<[_; 4]> = (0..)
        .zip(resources)
        .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource: resource.clone() })
        .collect();
    let device = &context.inner.device;
    reports.scoped(device, "buffers", || {
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("wgpu-dropout buffers"),
            layout,
            entries: &entries,
        })
    })
}

impl Bound {
    /// Appends an operation to an encoder or a compute pass. Where nothing has to be done, nothing is appended: for no
    /// elements, and for a copy in place.
    ///
    /// It never submits, waits, or polls the device. In a compute pass of yours it leaves its own pipeline, bind groups 0
    /// to 3 and immediates set.
    ///
    /// # Errors
    /// [`Error::Operands`] when other ranges were bound than the operation needs, [`Error::IndexRange`] when the mask
    /// reaches past the generator's range, [`Error::Shape`], [`Error::View`], [`Error::RowIds`], [`Error::NoMask`], [`Error::NoRate`],
    /// [`Error::SameBuffer`] for a key in the output's buffer,
    /// [`Error::OtherContext`] for a key of another context, [`Error::DeviceLost`] and [`Error::Device`] of the library's
    /// own objects. Nothing is appended then.
    pub fn record<'k>(
        &self,
        recorder: &mut impl Record,
        operation: impl Into<Keyed<'k, Operation>>,
    ) -> Result<(), Error> {
        self.record_reporting(&mut Reports::now(), recorder, operation.into())
    }

    pub(super) fn record_reporting(
        &self,
        reports: &mut Reports,
        recorder: &mut impl Record,
        operation: Keyed<'_, Operation>,
    ) -> Result<(), Error> {
        self.context.check_not_lost()?;
        operation.check(&self.context, &self.output)?;
        let launches = self.plan.launches(operation.value(), operation.key_place())?;
        self.record_launches(reports, recorder, &launches, operation.bind_group())
    }

    fn record_launches(
        &self,
        reports: &mut Reports,
        recorder: &mut impl Record,
        launches: &Launches,
        key: Option<&wgpu::BindGroup>,
    ) -> Result<(), Error> {
        // Whatever can fail comes first.
        let ready = launches.iter().map(|launch| Ready::new(&self.context, reports, launch));
        let ready = ready.collect::<Result<SmallVec<[_; 2]>, _>>()?;
        record_all(recorder, &ready, |launch| &self.bind_groups[launch.chunk()], key);
        Ok(())
    }

    /// Appends standard normals, one for each f32 of the output that was bound with [`Ranges::normals`], from index `start` on.
    ///
    /// # Errors
    /// [`Error::Operands`] when other ranges were bound, [`Error::IndexRange`], [`Error::DeviceLost`], and [`Error::Device`] of
    /// the library's own objects. Nothing is appended then.
    pub fn record_normals(
        &self,
        recorder: &mut impl Record,
        generator: Generator,
        key: Key,
        start: u64,
    ) -> Result<(), Error> {
        self.record_normals_reporting(&mut Reports::now(), recorder, generator, key, start)
    }

    pub(super) fn record_normals_reporting(
        &self,
        reports: &mut Reports,
        recorder: &mut impl Record,
        generator: Generator,
        key: Key,
        start: u64,
    ) -> Result<(), Error> {
        self.context.check_not_lost()?;
        let launches = self.plan.normals(generator, key, start)?;
        self.record_launches(reports, recorder, &launches, None)
    }

    /// Appends `y = keep ? x·scale : +0`: [`Operation::Forward`].
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_forward<'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, Mask>>,
    ) -> Result<(), Error> {
        self.record(recorder, mask.into().map(Operation::Forward))
    }

    /// Appends `dx = keep ? dy·scale : +0`: [`Operation::Backward`], with the gradient as the input.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_backward<'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, Mask>>,
    ) -> Result<(), Error> {
        self.record(recorder, mask.into().map(Operation::Backward))
    }

    /// Appends the keep mask: [`Operation::KeepMask`].
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_keep_mask<'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, Mask>>,
    ) -> Result<(), Error> {
        self.record(recorder, mask.into().map(Operation::KeepMask))
    }

    /// Appends `y = keep ? x·scale : +0` with the packed mask that was bound: [`Operation::ApplyMask`].
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_apply_mask(&self, recorder: &mut impl Record, scale: f32) -> Result<(), Error> {
        self.record(recorder, Operation::ApplyMask { scale })
    }
}

/// A launch of which everything that can fail has been done.
pub(super) struct Ready<'a> {
    launch: &'a Launch,
    pipeline: wgpu::ComputePipeline,
    /// None for immediates.
    slot: Option<Slot>,
    normal_table: Option<wgpu::BindGroup>,
}

impl<'a> Ready<'a> {
    pub(super) fn new(context: &Context, reports: &mut Reports, launch: &'a Launch) -> Result<Self, Error> {
        let inner = &context.inner;
        reports.takes(launch.kernel());
        let pipeline = inner.pipelines.get(&inner.device, launch.kernel())?;
        let slot = match launch.kernel().style().parameters {
            ParameterStyle::Immediates => None,
            _ => {
                let slot = inner.slots.take(&inner.device, reports)?;
                reports.scoped_write(&inner.device, "parameters", || slot.write(&inner.queue, launch.parameters()))?;
                Some(slot)
            }
        };
        let needs_table = launch.kernel().normal_table_binding().is_some();
        let normal_table = needs_table.then(|| inner.normal_table.get(context, reports)).transpose()?;
        Ok(Self { launch, pipeline, slot, normal_table })
    }
}

/// Appends launches. Nothing here can fail.
pub(super) fn record_all<'b>(
    recorder: &mut impl Record,
    ready: &[Ready<'_>],
    operands: impl Fn(&Launch) -> &'b wgpu::BindGroup,
    key: Option<&wgpu::BindGroup>,
) {
    if ready.is_empty() {
        return;
    }
    recorder.in_compute_pass(&mut |pass| {
        for Ready { launch, pipeline, slot, normal_table } in ready {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, operands(launch), &[]);
            match slot {
                None => pass.set_immediates(0, launch.parameters()),
                Some(slot) => pass.set_bind_group(1, slot.bind_group(), &[slot.offset]),
            }
            if let Some(key) = key.filter(|_| launch.kernel().key_binding().is_some()) {
                pass.set_bind_group(2, key, &[]);
            }
            if let Some(table) = normal_table {
                pass.set_bind_group(3, table, &[]);
            }
            let [x, y, z] = launch.workgroups();
            pass.dispatch_workgroups(x, y, z);
        }
    });
}
