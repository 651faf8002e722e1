//! The list of kept rows: for work that is to be done for them alone.

use smallvec::SmallVec;

use super::{
    bind::{Ready, create_bind_group, record_all},
    buffer_range::BufferRange,
    context::Context,
    device_key::Keyed,
    error_scope::Reports,
    record::Record,
    transfer::Readback,
};
use crate::{
    Error, Mask,
    kernels::{KeptRows, Operand, Target},
    reference,
};

/// Where a list of kept rows goes, and what of it an indirect dispatch takes.
///
/// A mask over rows has one element a row: stochastic depth drops whole rows, and what is dropped need not be computed.
/// The device itself writes which rows are kept and how many, so the host need not wait for it:
///
/// ```no_run
/// # use wgpu_dropout::*;
/// # fn f(context: &Context, block: &wgpu::ComputePipeline, groups: &wgpu::BindGroup) -> Result<(), Error> {
/// # let create = |size, usage| context.device().create_buffer(&wgpu::BufferDescriptor {
/// #     label: None, size, usage, mapped_at_creation: false,
/// # });
/// const ROWS: u32 = 512;
/// let list = create(4 * 512, wgpu::BufferUsages::STORAGE);
/// let arguments = create(16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::INDIRECT);
/// let rows = RowList::new(ROWS, &list, &arguments).with_rows_per_workgroup(4);
///
/// let mask = Dropout::new(0.2)?.mask(Key::new(42).with_layer(3));
/// let mut encoder = context.device().create_command_encoder(&Default::default());
/// context.record_kept_rows(&mut encoder, mask, rows)?;
/// let mut pass = encoder.begin_compute_pass(&Default::default());
/// pass.set_pipeline(block); // reads the number of rows and their numbers
/// pass.set_bind_group(0, groups, &[]);
/// pass.dispatch_workgroups_indirect(&arguments, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RowList<'a> {
    rows: u32,
    list: BufferRange<'a>,
    arguments: BufferRange<'a>,
    rows_per_workgroup: u32,
}

impl<'a> RowList<'a> {
    /// The kept ones of `rows` rows. Neither range may share bytes with the other; each starts at a multiple of 4.
    ///
    /// - `list`: 4·rows bytes. The numbers of the kept rows, 0 to rows − 1, ascending, a `u32` each. What follows them
    ///   stays as it is.
    /// - `arguments`: 16 bytes, four `u32`. The workgroups in x, y and z of a dispatch over the list, and the number of kept
    ///   rows. [`reference::kept_rows_dispatch`](crate::reference::kept_rows_dispatch) is their formula: x alone is larger
    ///   than 1 while the device takes that many. Then workgroup (x, y, z) of (X, Y, Z) is number (z·Y + y)·X + x, and the
    ///   last few may have no rows.
    pub fn new(rows: u32, list: impl Into<BufferRange<'a>>, arguments: impl Into<BufferRange<'a>>) -> Self {
        Self { rows, list: list.into(), arguments: arguments.into(), rows_per_workgroup: 1 }
    }

    /// How many rows a workgroup of the dispatch handles, at least 1: unless told 1.
    #[must_use]
    pub const fn with_rows_per_workgroup(self, rows_per_workgroup: u32) -> Self {
        Self { rows_per_workgroup, ..self }
    }

    fn plan(&self, target: &Target) -> Result<KeptRows, Error> {
        let beside = u32::from(self.arguments.buffer != self.list.buffer);
        let operand = |range: &BufferRange<'_>, number| Operand::new(number, range.offset, range.size);
        let (list, arguments) = (operand(&self.list, 0), operand(&self.arguments, beside));
        let plan = KeptRows::new(target, self.rows, self.rows_per_workgroup, &list, &arguments)?;
        self.list.check("list")?;
        self.arguments.check("arguments")?;
        Ok(plan)
    }
}

impl Context {
    /// Appends the list of kept rows. The mask has an element a row.
    ///
    /// It never submits, waits, or polls the device. One workgroup of the device writes the list.
    ///
    /// # Errors
    /// [`Error::Number`] for 0 rows per workgroup, [`Error::Size`], [`Error::OutOfBounds`], [`Error::Alignment`],
    /// [`Error::Usage`], [`Error::Overlap`], [`Error::TooLarge`] for a list larger than a binding of the device,
    /// [`Error::IndexRange`] when the mask reaches past the generator's range, [`Error::View`], [`Error::SameBuffer`] for a
    /// key in a buffer that is written to, [`Error::OtherContext`], [`Error::DeviceLost`], [`Error::Device`]. Nothing is
    /// appended then.
    pub fn record_kept_rows<'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, Mask>>,
        rows: RowList<'_>,
    ) -> Result<(), Error> {
        self.record_kept_rows_reporting(&mut Reports::now(), recorder, mask.into(), rows)
    }

    /// Submits the list of kept rows.
    ///
    /// # Errors
    /// Those of [`record_kept_rows`](Self::record_kept_rows), and what the device says of the submission.
    pub fn submit_kept_rows<'k>(
        &self,
        mask: impl Into<Keyed<'k, Mask>>,
        rows: RowList<'_>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit_recorded(&mut Reports::now(), |reports, encoder| {
            self.record_kept_rows_reporting(reports, encoder, mask.into(), rows)
        })
    }

    /// The numbers of the kept ones of `count` rows, in ascending order.
    ///
    /// # Errors
    /// [`Error::Number`] for 2³² rows or more, [`Error::IndexRange`], [`Error::View`], [`Error::OutOfMemory`],
    /// [`Error::DeviceLost`], [`Error::Device`].
    pub async fn kept_rows(&self, mask: &Mask, count: u64) -> Result<Vec<u32>, Error> {
        let count = self.start_rows(mask, count)?;
        let mut listed = vec![];
        let mut first = 0;
        while first < count {
            let mut reports = Reports::later();
            let (readback, rows) = self.start_kept_rows(&mut reports, mask, first, count)?;
            let before = make_room(&mut listed, rows)?;
            self.finish(reports, readback, &mut listed, rows as usize + 4).await?;
            end_kept_rows(&mut listed, before, first);
            first += rows;
        }
        Ok(listed)
    }

    /// [`kept_rows`](Self::kept_rows), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`kept_rows`](Self::kept_rows).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn kept_rows_blocking(&self, mask: &Mask, count: u64) -> Result<Vec<u32>, Error> {
        let count = self.start_rows(mask, count)?;
        let mut listed = vec![];
        let mut first = 0;
        while first < count {
            let (readback, rows) = self.start_kept_rows(&mut Reports::now(), mask, first, count)?;
            let before = make_room(&mut listed, rows)?;
            readback.finish_into_blocking(&mut listed, rows as usize + 4)?;
            end_kept_rows(&mut listed, before, first);
            first += rows;
        }
        Ok(listed)
    }

    /// What the kernel is made for: as large a workgroup as there is, because there is one.
    fn target_of_rows(&self) -> Target {
        let limits = &self.inner.limits;
        let most = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
        Target { workgroup_size: most.min(Target::MAX_WORKGROUP_SIZE), ..self.inner.target }
    }

    fn record_kept_rows_reporting(
        &self,
        reports: &mut Reports,
        recorder: &mut impl Record,
        mask: Keyed<'_, Mask>,
        rows: RowList<'_>,
    ) -> Result<(), Error> {
        self.check_not_lost()?;
        mask.check(self, rows.list.buffer)?;
        mask.check(self, rows.arguments.buffer)?;
        let plan = rows.plan(&self.target_of_rows())?;
        let launches = plan.launches(mask.value(), mask.key_place())?;
        let inner = &self.inner;
        let layout = inner.pipelines.operands_layout(&inner.device, launches[0].kernel().layout());
        let resources = plan.bindings.iter().map(|binding| {
            let range = if binding.buffer == 0 { &rows.list } else { &rows.arguments };
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: range.buffer,
                offset: binding.offset,
                size: wgpu::BufferSize::new(binding.size),
            })
        });
        let bind_group = create_bind_group(self, reports, layout, &resources.collect::<SmallVec<[_; 2]>>())?;
        let ready = launches.iter().map(|launch| Ready::new(self, reports, launch));
        let ready = ready.collect::<Result<SmallVec<[_; 2]>, _>>()?;
        record_all(recorder, &ready, |_| &bind_group, mask.bind_group());
        Ok(())
    }

    fn start_rows(&self, mask: &Mask, count: u64) -> Result<u32, Error> {
        let rows = reference::check_rows(count)?;
        mask.check_length(count)?;
        self.check_device()?;
        Ok(rows)
    }

    /// The list of the rows from `first` on, as far as a buffer can hold it, and after it the arguments.
    fn start_kept_rows(
        &self,
        reports: &mut Reports,
        mask: &Mask,
        first: u32,
        count: u32,
    ) -> Result<(Readback, u32), Error> {
        /// Rows of a buffer of 64 MiB.
        const MOST: u64 = 1 << 24;
        let target = self.target_of_rows();
        let bytes = target.max_binding_size.min(self.inner.limits.max_buffer_size) - 16;
        let rows = u64::from(count - first).min((bytes / 4).min(MOST));
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let words = self.create_buffer(reports, rows * 4 + 16, usage)?;
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let (list, arguments) = (u64::from(rows) * 4, 16);
        let list = RowList::new(rows, BufferRange::new(&words, 0, list), BufferRange::new(&words, list, arguments));
        let mask = mask.skip(first.into());
        let record = |reports: &mut Reports, encoder: &mut wgpu::CommandEncoder| {
            self.record_kept_rows_reporting(reports, encoder, mask.into(), list)
        };
        Ok((self.read_back(reports, &words, record)?, rows))
    }
}

/// Room for one more list and its arguments; returns what is there already.
fn make_room(listed: &mut Vec<u32>, rows: u32) -> Result<usize, Error> {
    let room = listed.try_reserve(rows as usize + 4);
    room.map(|()| listed.len()).map_err(|_| Error::OutOfMemory { what: "result on the host" })
}

/// Keeps of a list and its arguments, from word `before` on, the numbers of rows, counted from the first of all.
fn end_kept_rows(listed: &mut Vec<u32>, before: usize, first: u32) {
    let kept = listed.last().map_or(0, |&kept| kept as usize);
    listed.truncate(listed.len().min(before + kept));
    listed[before..].iter_mut().for_each(|row| *row += first);
}
