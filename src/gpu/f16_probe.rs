//! Whether the device's own conversions between f16 and f32 are those of the format.

use super::{
    bind::{Ready, create_bind_group, record_all},
    context::Context,
    error_scope::Reports,
    transfer::Readback,
};
use crate::{
    Dtype, Element, Error,
    kernels::{self, F16Conversion},
};

impl Context {
    /// How the kernels convert 16-bit floats on this device: by the device's own conversions where it has them and they
    /// were seen to give the format's bits, else in integer arithmetic, which is the same everywhere, and slower on GPUs.
    /// Kernels for devices that run on the CPU always take integers.
    ///
    /// The first call finds out: every f16 is widened, and every boundary between two of them, its neighbours, and
    /// products with several scales are narrowed, once on the device either way, and compared there. That takes a few
    /// milliseconds. [`warm_up`](Self::warm_up) and the slice tier ask this when they first meet f16; what was bound before
    /// goes on with integers. [`Options::with_f16`](crate::Options::with_f16) decides without asking.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Device`]. A device that refuses the probe converts by
    /// integers, which is no error.
    pub async fn probe_f16(&self) -> Result<F16Conversion, Error> {
        if let Some(&known) = self.inner.f16.get() {
            return Ok(known);
        }
        let mut mismatches = vec![];
        let mut reports = Reports::later();
        let result = match self.start_probe(&mut reports) {
            Ok((readback, count)) => self.finish(reports, readback, &mut mismatches, count).await,
            Err(error) => Err(error),
        };
        self.end_probe(result, &mismatches)
    }

    /// [`probe_f16`](Self::probe_f16), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`probe_f16`](Self::probe_f16).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn probe_f16_blocking(&self) -> Result<F16Conversion, Error> {
        if let Some(&known) = self.inner.f16.get() {
            return Ok(known);
        }
        let mut mismatches = vec![];
        let result = self
            .start_probe(&mut Reports::now())
            .and_then(|(readback, count)| readback.finish_into_blocking(&mut mismatches, count));
        self.end_probe(result, &mismatches)
    }

    /// How f16 is converted, if that has been found out.
    pub fn f16_conversion(&self) -> Option<F16Conversion> {
        self.inner.f16.get().copied()
    }

    /// Probes where slices of this type need it. Integers are always right, so a failure is no error.
    pub(super) async fn prepare<T: Element>(&self) {
        self.prepare_for(T::DTYPE).await;
    }

    pub(super) async fn prepare_for(&self, dtype: Dtype) {
        if dtype == Dtype::F16 {
            let _ = self.probe_f16().await;
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn prepare_blocking<T: Element>(&self) {
        self.prepare_for_blocking(T::DTYPE);
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn prepare_for_blocking(&self, dtype: Dtype) {
        if dtype == Dtype::F16 {
            let _ = self.probe_f16_blocking();
        }
    }

    fn start_probe(&self, reports: &mut Reports) -> Result<(Readback, usize), Error> {
        let inner = &self.inner;
        let launch = kernels::probe_f16(&inner.target);
        let counts = launch.workgroups()[0] as usize * inner.target.workgroup_size as usize;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let output = self.create_buffer(reports, counts as u64 * 4, usage)?;
        let layout = inner.pipelines.operands_layout(&inner.device, launch.kernel().layout());
        let bind_group = create_bind_group(self, reports, layout, &[output.as_entire_binding()])?;
        let ready = [Ready::new(self, reports, &launch)?];
        let readback = self.read_back(reports, &output, |_, encoder| {
            record_all(encoder, &ready, |_| &bind_group, None);
            Ok(())
        })?;
        Ok((readback, counts))
    }

    fn end_probe(&self, result: Result<(), Error>, checked_and_wrong: &[u32]) -> Result<F16Conversion, Error> {
        match result {
            Err(error @ (Error::DeviceLost { .. } | Error::OutOfMemory { .. })) => return Err(error),
            Err(_) => {
                let _ = self.inner.f16.set(F16Conversion::Integer);
            }
            Ok(()) => {
                // Every invocation says what it found in two halves: how many values it compared, and how many differed.
                let checked: u64 = checked_and_wrong.iter().map(|count| u64::from(count >> 16)).sum();
                let wrong: u64 = checked_and_wrong.iter().map(|count| u64::from(count & 0xffff)).sum();
                let native = wrong == 0 && checked >= kernels::F16_PROBES;
                let _ = self.inner.f16.set(if native { F16Conversion::Native } else { F16Conversion::Integer });
            }
        }
        Ok(self.inner.f16.get().copied().unwrap_or(F16Conversion::Integer))
    }
}
