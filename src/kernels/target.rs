//! What of a device the kernels depend on.

use super::kernel::Kernel;
use crate::Error;

/// Elements that the kernels of [`Schedule::Blocked`] decide at once: the bits of a word.
pub(crate) const RUN: u64 = 32;

/// What of a device, and of the one who launches, the kernels depend on.
///
/// [`Target::new`] takes WebGPU's default limits; raise them to what your device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// How the work is shared out.
    pub schedule: Schedule,
    /// Invocations of a workgroup, 1 to 256.
    pub workgroup_size: u32,
    /// How bindings and parameters are declared.
    pub style: Style,
    /// How 16-bit floats are converted.
    pub f16: F16Conversion,
    /// Workgroups of a dispatch in each dimension.
    pub max_workgroups_per_dimension: u32,
    /// Bytes of a storage binding.
    pub max_binding_size: u64,
    /// What the offset of a storage binding must be a multiple of.
    pub binding_alignment: u32,
    /// Storage bindings of a kernel.
    pub max_storage_buffers: u32,
}

/// How the elements are shared out among invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Schedule {
    /// For GPUs: an invocation handles the eight elements that one call of the generator decides.
    Groups,
    /// For GPUs: an invocation decides 32 elements, and neighbouring invocations move neighbouring units of 16 bytes.
    Interleaved,
    /// For devices that run on the CPU: an invocation handles 32 neighbouring elements.
    Blocked,
}

/// How 16-bit floats are converted to f32 and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum F16Conversion {
    /// In integer arithmetic, which is the same on every device.
    Integer,
    /// By the device's own conversions, through WGSL's `f16`. Only for devices that were seen to convert every value as
    /// [`Integer`](Self::Integer) does: the format leaves no choice.
    Native,
}

/// How a kernel's text declares what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Style {
    /// How parameters reach the kernel.
    pub parameters: ParameterStyle,
    /// Whether every storage buffer is declared `read_write`, for frameworks that keep many tensors in one buffer: WebGPU
    /// forbids using a buffer for reading and for writing in one dispatch.
    pub read_write: bool,
}

/// How parameters reach a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ParameterStyle {
    /// As immediates (push constants); kernels with more than 128 bytes of parameters as [`Uniform`](Self::Uniform).
    Immediates,
    /// As a uniform buffer in group 1, binding 0. A key in a buffer is in group 2, the table of normals in group 3.
    Uniform,
    /// As a uniform buffer in group 0 after all the other bindings: the operands', a key in a buffer, the table of normals.
    LastBinding,
}

impl Target {
    /// The largest workgroup: what SwiftShader and WebGPU's default limits allow.
    pub const MAX_WORKGROUP_SIZE: u32 = 256;

    /// A target with workgroups of 64, parameters in a uniform buffer, and WebGPU's default limits.
    pub const fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            workgroup_size: 64,
            style: Style { parameters: ParameterStyle::Uniform, read_write: false },
            f16: F16Conversion::Integer,
            max_workgroups_per_dimension: 65_535,
            max_binding_size: 128 << 20,
            binding_alignment: 256,
            max_storage_buffers: 8,
        }
    }

    /// The same target with kernels in another style.
    #[must_use]
    pub const fn with_style(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// The least size of a binding that leaves room for the kernels: three ranges of a run each, every one widened to
    /// where a binding may start.
    pub(crate) const fn least_binding(binding_alignment: u32) -> u64 {
        3 * (binding_alignment as u64 + 4 + RUN * 4)
    }

    /// Checks what the planner relies on.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let unsupported = |reason| Err(Error::unsupported("the target", reason));
        if !(1..=Self::MAX_WORKGROUP_SIZE).contains(&self.workgroup_size) {
            return unsupported(format!(
                "a workgroup size of {} is not within 1 to {}",
                self.workgroup_size,
                Self::MAX_WORKGROUP_SIZE
            ));
        }
        if self.max_workgroups_per_dimension == 0 {
            return unsupported("it dispatches no workgroups; request max_compute_workgroups_per_dimension".into());
        }
        if self.binding_alignment == 0 || !self.binding_alignment.is_multiple_of(4) {
            return unsupported(format!("a binding alignment of {} is no multiple of 4", self.binding_alignment));
        }
        let least = Self::least_binding(self.binding_alignment);
        if self.max_binding_size < least {
            return unsupported(format!(
                "it binds at most {} bytes; request max_storage_buffer_binding_size of {least} or more",
                self.max_binding_size
            ));
        }
        Ok(())
    }

    /// An error where a kernel needs more storage bindings than there are.
    pub(crate) fn check_buffers(&self, kernel: &Kernel) -> Result<(), Error> {
        let (needed, most) = (kernel.storage_buffers(), self.max_storage_buffers);
        if needed > most {
            let reason = format!(
                "the operation needs {needed} storage buffers in one kernel, and {most} is the most; request a higher \
                 max_storage_buffers_per_shader_stage"
            );
            return Err(Error::unsupported("the device", reason));
        }
        Ok(())
    }

    /// Bytes that a binding can have, as far as 32-bit positions reach.
    pub(crate) fn binding_limit(&self) -> u64 {
        self.max_binding_size.min(1 << 31)
    }
}

impl Schedule {
    /// Every schedule.
    pub const ALL: &'static [Self] = &[Self::Groups, Self::Interleaved, Self::Blocked];

    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Interleaved => "interleaved",
            Self::Blocked => "blocked",
        }
    }
}

impl Style {
    /// Parameters as immediates, storage buffers read-only where they are only read.
    pub const IMMEDIATES: Self = Self { parameters: ParameterStyle::Immediates, read_write: false };
    /// Parameters in a uniform buffer, storage buffers read-only where they are only read.
    pub const UNIFORM: Self = Self { parameters: ParameterStyle::Uniform, read_write: false };
    /// Everything in group 0, storage buffers all `read_write`, the table of normals among them: for launchers as CubeCL's.
    pub const ONE_GROUP: Self = Self { parameters: ParameterStyle::LastBinding, read_write: true };

    /// The group and the binding of the table of normals, where `before` bindings of group 0 come before it.
    pub(crate) const fn table_binding(self, before: u32) -> (u32, u32) {
        match self.parameters {
            ParameterStyle::LastBinding => (0, before),
            ParameterStyle::Immediates | ParameterStyle::Uniform => (3, 0),
        }
    }

    /// The group and the binding of a key in a buffer, where the operands take `operands` bindings of group 0.
    pub(crate) const fn key_binding(self, operands: u32) -> (u32, u32) {
        match self.parameters {
            ParameterStyle::LastBinding => (0, operands),
            ParameterStyle::Immediates | ParameterStyle::Uniform => (2, 0),
        }
    }
}
