//! The buffer tier: records and submits; never waits or reads back.

use super::{context::Context, device_errors::scoped, device_key::KeyedMask, range::BufferRange};
use crate::{Error, MaskFormat};

impl Context {
    /// Submits `y = keep ? x·scale : +0` on buffer ranges. The same range for both means in place.
    ///
    /// # Errors
    /// Those of [`record_forward`](Self::record_forward), and what the device says of the submission.
    pub fn submit_forward<'a, 'k>(
        &self,
        mask: impl Into<KeyedMask<'k>>,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit(|encoder| self.record_forward(encoder, mask, input, output))
    }

    /// Submits `dx = keep ? dy·scale : +0`, with the mask regenerated from the key.
    ///
    /// # Errors
    /// As [`submit_forward`](Self::submit_forward).
    pub fn submit_backward<'a, 'k>(
        &self,
        mask: impl Into<KeyedMask<'k>>,
        output_gradient: impl Into<BufferRange<'a>>,
        input_gradient: impl Into<BufferRange<'a>>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit(|encoder| self.record_backward(encoder, mask, output_gradient, input_gradient))
    }

    /// Submits the keep mask of `length` elements, of [`MaskFormat::size`] bytes.
    ///
    /// # Errors
    /// As [`submit_forward`](Self::submit_forward).
    pub fn submit_keep_mask<'a, 'k>(
        &self,
        mask: impl Into<KeyedMask<'k>>,
        output: impl Into<BufferRange<'a>>,
        length: u64,
        format: MaskFormat,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit(|encoder| self.record_keep_mask(encoder, mask, output, length, format))
    }

    /// Submits `y = keep ? x·scale : +0` with a given packed mask.
    ///
    /// # Errors
    /// Those of [`record_apply_mask`](Self::record_apply_mask), and what the device says of the submission.
    pub fn submit_apply_mask<'a>(
        &self,
        mask: impl Into<BufferRange<'a>>,
        scale: f32,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.submit(|encoder| self.record_apply_mask(encoder, mask, scale, input, output))
    }

    pub(super) fn submit(
        &self,
        record: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<(), Error>,
    ) -> Result<wgpu::SubmissionIndex, Error> {
        self.check_device()?;
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("wgpu-dropout") };
        scoped(&self.inner.device, "submission", || {
            let mut encoder = self.inner.device.create_command_encoder(&descriptor);
            record(&mut encoder)?;
            Ok(self.inner.queue.submit([encoder.finish()]))
        })?
    }
}
