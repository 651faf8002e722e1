use crate::kernels::{F16Conversion, Schedule, Target};

/// Choices that change the speed and never a result. The defaults are good.
///
/// ```
/// use wgpu_dropout::{Options, kernels::Schedule};
/// let options = Options::default().with_workgroup_size(128).with_schedule(Schedule::Groups);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub(super) workgroup_size: u32,
    pub(super) immediates: bool,
    pub(super) schedule: Option<Schedule>,
    pub(super) f16: Option<F16Conversion>,
    #[cfg(feature = "internal-faults")]
    pub(super) replace: Option<(&'static str, &'static str)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workgroup_size: 64,
            immediates: true,
            schedule: None,
            f16: None,
            #[cfg(feature = "internal-faults")]
            replace: None,
        }
    }
}

impl Options {
    /// Invocations of a workgroup, 1 to 256. The default is 64.
    #[must_use]
    pub const fn with_workgroup_size(self, workgroup_size: u32) -> Self {
        Self { workgroup_size, ..self }
    }

    /// Whether to pass parameters as immediates where the device has them. The default is true.
    #[must_use]
    pub const fn with_immediates(self, immediates: bool) -> Self {
        Self { immediates, ..self }
    }

    /// How the elements are shared out among invocations. The default is what suits the adapter:
    /// [`Schedule::Blocked`] for devices that run on the CPU, else [`Schedule::Groups`].
    #[must_use]
    pub const fn with_schedule(self, schedule: Schedule) -> Self {
        Self { schedule: Some(schedule), ..self }
    }

    /// How 16-bit floats are converted by kernels for GPUs, without a probe of the device:
    /// [`Context::probe_f16`](crate::Context::probe_f16) says what that is for.
    #[must_use]
    pub const fn with_f16(self, f16: F16Conversion) -> Self {
        Self { f16: Some(f16), ..self }
    }

    /// Replaces a text in every kernel, for tests that must see a wrong kernel caught.
    #[cfg(feature = "internal-faults")]
    #[doc(hidden)]
    #[must_use]
    pub const fn with_replaced_text(self, text: &'static str, other: &'static str) -> Self {
        Self { replace: Some((text, other)), ..self }
    }

    /// What kernels are made for on a device, but for the style and the conversions.
    pub(super) fn target(&self, limits: &wgpu::Limits, device_type: wgpu::DeviceType) -> Target {
        let schedule = self.schedule.unwrap_or(match device_type {
            wgpu::DeviceType::Cpu => Schedule::Blocked,
            _ => Schedule::Groups,
        });
        Target {
            workgroup_size: self.workgroup_size,
            max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            max_binding_size: limits.max_storage_buffer_binding_size,
            binding_alignment: limits.min_storage_buffer_offset_alignment,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            ..Target::new(schedule)
        }
    }
}
