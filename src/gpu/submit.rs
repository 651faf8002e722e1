//! The buffer tier: records and submits; never waits or reads back.

use super::{
    buffer_range::{BufferRange, Ranges},
    context::Context,
    device_key::Keyed,
    error_scope::Reports,
};
use crate::{Error, Mask, MaskFormat, Operation};

impl Context {
    /// Submits an operation on ranges of buffers.
    ///
    /// # Errors
    /// Those of [`record`](Self::record), and what the device says of the submission.
    pub fn submit<'k>(
        &self,
        operation: impl Into<Keyed<'k, Operation>>,
        ranges: Ranges<'_>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit_recorded(&mut Reports::now(), |_, encoder| self.record(encoder, operation, ranges))
    }

    /// Submits `y = keep ? x·scale : +0`: [`Operation::Forward`]. The same range for both means in place.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_forward<'a, 'k>(
        &self,
        mask: impl Into<Keyed<'k, Mask>>,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit(mask.into().map(Operation::Forward), Ranges::new(input, output))
    }

    /// Submits `dx = keep ? dy·scale : +0`: [`Operation::Backward`].
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_backward<'a, 'k>(
        &self,
        mask: impl Into<Keyed<'k, Mask>>,
        output_gradient: impl Into<BufferRange<'a>>,
        input_gradient: impl Into<BufferRange<'a>>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit(mask.into().map(Operation::Backward), Ranges::new(output_gradient, input_gradient))
    }

    /// Submits the keep mask of `length` elements, of [`MaskFormat::size`] bytes: [`Operation::KeepMask`].
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_keep_mask<'a, 'k>(
        &self,
        mask: impl Into<Keyed<'k, Mask>>,
        output: impl Into<BufferRange<'a>>,
        length: u64,
        format: MaskFormat,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit(mask.into().map(Operation::KeepMask), Ranges::mask(output, length, format))
    }

    /// Submits `y = keep ? x·scale : +0` with a packed mask of yours: [`Operation::ApplyMask`].
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_apply_mask<'a>(
        &self,
        packed_mask: impl Into<BufferRange<'a>>,
        scale: f32,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        let ranges = Ranges::new(input, output).with_packed_mask(packed_mask);
        self.submit(Operation::ApplyMask { scale }, ranges)
    }

    /// Submits what `record` appends to an encoder.
    pub(super) fn submit_recorded(
        &self,
        reports: &mut Reports,
        record: impl FnOnce(&mut Reports, &mut wgpu::CommandEncoder) -> Result<(), Error>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.check_device()?;
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("wgpu-dropout") };
        let (device, queue) = (&self.inner.device, &self.inner.queue);
        let mut encoder = reports.scoped(device, "encoder", || device.create_command_encoder(&descriptor))?;
        record(reports, &mut encoder)?;
        reports.scoped(device, "submission", || queue.submit([encoder.finish()]))
    }
}
