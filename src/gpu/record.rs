//! The recording tier: appends commands to what the caller records; never submits, waits, maps or polls.

use super::{
    buffer_range::{BufferRange, Ranges},
    context::Context,
    device_key::Keyed,
};
use crate::{Error, Mask, MaskFormat, Operation};

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
    /// Appends an operation on ranges of buffers to an encoder or a compute pass. For many calls on the same buffers,
    /// [`bind`](Self::bind) them once.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind) and [`Bound::record`](crate::Bound::record). Nothing is appended then.
    pub fn record<'k>(
        &self,
        recorder: &mut impl Record,
        operation: impl Into<Keyed<'k, Operation>>,
        ranges: Ranges<'_>,
    ) -> Result<(), Error> {
        self.bind(ranges)?.record(recorder, operation)
    }

    /// Appends `y = keep ? x·scale : +0`: [`Operation::Forward`].
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_forward<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, Mask>>,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<(), Error> {
        self.record(recorder, mask.into().map(Operation::Forward), Ranges::new(input, output))
    }

    /// Appends `dx = keep ? dy·scale : +0`: [`Operation::Backward`].
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_backward<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, Mask>>,
        output_gradient: impl Into<BufferRange<'a>>,
        input_gradient: impl Into<BufferRange<'a>>,
    ) -> Result<(), Error> {
        self.record(recorder, mask.into().map(Operation::Backward), Ranges::new(output_gradient, input_gradient))
    }

    /// Appends the keep mask of `length` elements, of [`MaskFormat::size`] bytes: [`Operation::KeepMask`].
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_keep_mask<'a, 'k>(
        &self,
        recorder: &mut impl Record,
        mask: impl Into<Keyed<'k, Mask>>,
        output: impl Into<BufferRange<'a>>,
        length: u64,
        format: MaskFormat,
    ) -> Result<(), Error> {
        self.record(recorder, mask.into().map(Operation::KeepMask), Ranges::mask(output, length, format))
    }

    /// Appends `y = keep ? x·scale : +0` with a packed mask of yours: [`Operation::ApplyMask`].
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_apply_mask<'a>(
        &self,
        recorder: &mut impl Record,
        packed_mask: impl Into<BufferRange<'a>>,
        scale: f32,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<(), Error> {
        let ranges = Ranges::new(input, output).with_packed_mask(packed_mask);
        self.record(recorder, Operation::ApplyMask { scale }, ranges)
    }
}
