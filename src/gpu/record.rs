//! The recording tier: appends commands to what the caller records; never submits, waits or maps.

use super::{context::Context, device_key::KeyedMask, range::BufferRange};
use crate::{Error, MaskFormat};

/// What commands can be appended to: your `wgpu::CommandEncoder`, or a `wgpu::ComputePass` that several operations
/// share. Implemented for these two.
pub trait Record: sealed::Sealed {
    /// Runs `record` in a compute pass.
    #[doc(hidden)]
    fn in_compute_pass(&mut self, record: &mut dyn FnMut(&mut wgpu::ComputePass<'_>));
}

impl Record for wgpu::CommandEncoder {
    fn in_compute_pass(&mut self, record: &mut dyn FnMut(&mut wgpu::ComputePass<'_>)) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some("wgpu-dropout"), timestamp_writes: None };
        record(&mut self.begin_compute_pass(&descriptor));
    }
}

impl Record for wgpu::ComputePass<'_> {
    fn in_compute_pass(&mut self, record: &mut dyn FnMut(&mut wgpu::ComputePass<'_>)) {
        record(self);
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for wgpu::CommandEncoder {}
    impl Sealed for wgpu::ComputePass<'_> {}
}

impl Context {
    /// Appends `y = keep ? x·scale : +0` to an encoder or a compute pass. For many calls on the same buffers,
    /// [`bind`](Self::bind) them once.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind) and [`Bound::record_forward`](crate::Bound::record_forward). Nothing is appended
    /// then.
    pub fn record_forward<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<KeyedMask<'k>>,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<(), Error> {
        self.bind(input, output)?.record_forward(recorder, mask)
    }

    /// Appends `dx = keep ? dy·scale : +0`, with the mask regenerated from the key.
    ///
    /// # Errors
    /// As [`record_forward`](Self::record_forward).
    pub fn record_backward<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<KeyedMask<'k>>,
        output_gradient: impl Into<BufferRange<'a>>,
        input_gradient: impl Into<BufferRange<'a>>,
    ) -> Result<(), Error> {
        self.bind(output_gradient, input_gradient)?.record_backward(recorder, mask)
    }

    /// Appends the keep mask of `length` elements, of [`MaskFormat::size`] bytes.
    ///
    /// # Errors
    /// As [`record_forward`](Self::record_forward).
    pub fn record_keep_mask<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<KeyedMask<'k>>,
        output: impl Into<BufferRange<'a>>,
        length: u64,
        format: MaskFormat,
    ) -> Result<(), Error> {
        self.bind_mask(output, length, format)?.record_keep_mask(recorder, mask)
    }

    /// Appends `y = keep ? x·scale : +0` with a given packed mask: see [`bind_apply_mask`](Self::bind_apply_mask).
    ///
    /// # Errors
    /// Those of [`bind_apply_mask`](Self::bind_apply_mask) and
    /// [`BoundApplyMask::record_apply_mask`](crate::BoundApplyMask::record_apply_mask). Nothing is appended then.
    pub fn record_apply_mask<'a>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<BufferRange<'a>>,
        scale: f32,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<(), Error> {
        self.bind_apply_mask(mask, input, output)?.record_apply_mask(recorder, scale)
    }
}
