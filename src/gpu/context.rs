use std::sync::{Arc, OnceLock};

use super::{
    error_scope::Reports,
    normals::NormalTable,
    options::Options,
    parameters::{MAX_IMMEDIATES, Slots},
    pipelines::Pipelines,
    requirements::requirements,
    transfer::Waiter,
};
#[cfg(not(target_arch = "wasm32"))]
use crate::{
    Dropout, Dtype, Generator, Key, MaskFormat, Operation,
    kernels::{KeyPlace, Operand, Operands, Plan},
};
use crate::{
    Error,
    kernels::{F16Conversion, Schedule, Style, Target},
};

/// A device with the library's pipelines. Costly to make, cheap to clone and to use from several threads.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    /// First, so that its thread ends before the device is closed.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "browsers have nothing to wait with"))]
    pub(super) waiter: Waiter,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: Pipelines,
    pub(super) slots: Slots,
    pub(super) normal_table: NormalTable,
    pub(super) limits: wgpu::Limits,
    /// What kernels are made for, with 16-bit floats converted by integers.
    pub(super) target: Target,
    /// How 16-bit floats are converted, once that is known.
    pub(super) f16: OnceLock<F16Conversion>,
    /// Set when the device is lost. Only a device of the library's own is watched: there is one callback, and on a
    /// caller's device it is the caller's.
    lost: Option<Arc<OnceLock<String>>>,
}

impl Context {
    /// Opens a device on the adapter that wgpu thinks best.
    ///
    /// The environment variables of wgpu are honoured: `WGPU_BACKEND=vulkan`, for example.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] when there is none, and those of [`from_adapter`](Self::from_adapter).
    pub async fn new() -> Result<Self, Error> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let wanted = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance.request_adapter(&wanted).await.map_err(Error::no_adapter)?;
        Self::from_adapter(&adapter).await
    }

    /// [`new`](Self::new), waiting for it. Not in browsers.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new_blocking() -> Result<Self, Error> {
        pollster::block_on(Self::new())
    }

    /// Opens a device on this adapter, with its [`requirements`] and no more.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the adapter has no compute shaders or refuses the device.
    pub async fn from_adapter(adapter: &wgpu::Adapter) -> Result<Self, Error> {
        Self::from_adapter_with_options(adapter, Options::default()).await
    }

    /// [`from_adapter`](Self::from_adapter) with choices that change the speed and never a result.
    ///
    /// # Errors
    /// As [`from_adapter`](Self::from_adapter).
    pub async fn from_adapter_with_options(adapter: &wgpu::Adapter, options: Options) -> Result<Self, Error> {
        let name = adapter.get_info().name;
        if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
            return Err(Error::unsupported(&name, "it has no compute shaders; choose another adapter".into()));
        }
        let wanted = requirements(adapter);
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("wgpu-dropout"),
                required_features: wanted.features,
                required_limits: wanted.limits,
                ..Default::default()
            })
            .await
            .map_err(|error| Error::refused(&name, error))?;
        let lost = Arc::new(OnceLock::new());
        let told = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            // The first loss is the one to report.
            let _ = told.set(format!("{message} ({reason:?})"));
        });
        Self::assemble(device, queue, options, Some(lost))
    }

    /// Uses your device. The library installs no lost-device or uncaptured-error handler on it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the device's limits leave no room for the kernels.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Result<Self, Error> {
        Self::with_options(device, queue, Options::default())
    }

    /// [`from_device`](Self::from_device) with choices that change the speed and never a result.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the device's limits leave no room for the kernels.
    pub fn with_options(device: wgpu::Device, queue: wgpu::Queue, options: Options) -> Result<Self, Error> {
        Self::assemble(device, queue, options, None)
    }

    #[cfg_attr(
        target_arch = "wasm32",
        allow(clippy::arc_with_non_send_sync, reason = "only native devices cross threads")
    )]
    fn assemble(
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: Options,
        lost: Option<Arc<OnceLock<String>>>,
    ) -> Result<Self, Error> {
        let (limits, info) = (device.limits(), device.adapter_info());
        let unsupported = |reason| Err(Error::unsupported(&info.name, reason));
        let most = limits
            .max_compute_invocations_per_workgroup
            .min(limits.max_compute_workgroup_size_x)
            .min(Target::MAX_WORKGROUP_SIZE);
        let size = options.workgroup_size;
        if !(1..=most).contains(&size) {
            return unsupported(format!(
                "a workgroup size of {size} is not within 1 to {most}; request a device with compute limits, or choose \
                 another size in Options"
            ));
        }
        // An input, an output, and a packed mask or a key.
        if limits.max_storage_buffers_per_shader_stage < 3 {
            return unsupported(
                "it binds fewer than 3 storage buffers; request max_storage_buffers_per_shader_stage".into(),
            );
        }
        let immediates = options.immediates
            && device.features().contains(wgpu::Features::IMMEDIATES)
            && limits.max_immediate_size >= MAX_IMMEDIATES;
        let style = if immediates { Style::IMMEDIATES } else { Style::UNIFORM };
        let target = options.target(&limits, info.device_type).with_style(style);
        target.check().map_err(|error| match error {
            Error::Unsupported { reason, .. } => Error::unsupported(&info.name, reason),
            other => other,
        })?;
        #[cfg(feature = "internal-faults")]
        let replace = options.replace;
        #[cfg(not(feature = "internal-faults"))]
        let replace = None;
        #[cfg(feature = "internal-faults")]
        if let Some((text, _)) = replace.filter(|(text, _)| !crate::kernels::a_fragment_has(text)) {
            return unsupported(format!("no kernel has the text to replace: {text}"));
        }
        let f16 = OnceLock::new();
        // Without WGSL's f16 there is nothing to probe; and where kernels run on the CPU integers are faster: 12.1 ms
        // against 18.5 ms for 2²⁴ elements on lavapipe (forward, two cores of an AMD EPYC, 2026-11-24).
        let has_f16 = device.features().contains(wgpu::Features::SHADER_F16);
        let integers = !has_f16 || target.schedule == Schedule::Blocked;
        let known = options.f16.or(integers.then_some(F16Conversion::Integer));
        if let Some(known) = known {
            let _ = f16.set(known);
        }
        let (slots, normal_table, pipelines) = Reports::now().scoped(&device, "bind group layouts", || {
            let (slots, normal_table) = (Slots::new(&device), NormalTable::new(&device));
            let pipelines = Pipelines::new(&device, slots.layout(), normal_table.layout(), replace);
            (slots, normal_table, pipelines)
        })?;
        let waiter = Waiter::default();
        let inner = Inner { device, queue, pipelines, slots, normal_table, limits, target, f16, waiter, lost };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Builds the pipelines of dropout of whole tensors, in place and out of place, and of packed masks now instead of at the
    /// first call that needs them, and for f16 asks [`probe_f16`](Self::probe_f16). Others are still built when they are
    /// first needed.
    ///
    /// # Errors
    /// [`Error::Device`] when the device refuses a pipeline, [`Error::DeviceLost`], [`Error::OutOfMemory`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn warm_up(&self, generator: Generator, dtype: Dtype) -> Result<(), Error> {
        /// Whole workgroups of every kernel, and something left over.
        const LENGTH: u64 = (1 << 16) + 5;
        self.check_device()?;
        if dtype == Dtype::F16 {
            self.probe_f16_blocking()?;
        }
        let target = self.target();
        let mask = Dropout::new(0.5)?.with_generator(generator).mask(Key::default());
        let range = |buffer| Operand::new(buffer, 0, LENGTH * dtype.size());
        let bits = Operand::new(0, 0, MaskFormat::Bits.size(LENGTH));
        for (operands, operation) in [
            (Operands::values(dtype, range(0), range(1))?, Operation::Forward(mask)),
            (Operands::values(dtype, range(0), range(0))?, Operation::Forward(mask)),
            (Operands::mask(MaskFormat::Bits, LENGTH, bits)?, Operation::KeepMask(mask)),
        ] {
            for launch in Plan::new(&target, &operands)?.launches(&operation, KeyPlace::Parameters)? {
                self.inner.pipelines.get(&self.inner.device, launch.kernel())?;
            }
        }
        Ok(())
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// The adapter's name, backend and driver.
    pub fn adapter_info(&self) -> wgpu::AdapterInfo {
        self.inner.device.adapter_info()
    }

    /// Whether parameters travel as immediates, the cheapest way for small calls.
    pub fn uses_immediates(&self) -> bool {
        self.inner.target.style == Style::IMMEDIATES
    }

    /// What kernels are made for: what [`kernels`](crate::kernels) would be given for this device.
    pub fn target(&self) -> Target {
        let f16 = self.f16_conversion().unwrap_or(F16Conversion::Integer);
        Target { f16, ..self.inner.target }
    }

    /// An error when the library's own device is known to be lost. Says so only after somebody polled the device, and
    /// does not poll: that would run the callbacks of others.
    pub(super) fn check_not_lost(&self) -> Result<(), Error> {
        match self.inner.lost.as_ref().and_then(|lost| lost.get()) {
            Some(message) => Err(Error::DeviceLost { message: message.clone() }),
            None => Ok(()),
        }
    }

    /// [`check_not_lost`](Self::check_not_lost) after a poll, for calls that submit, which polls too.
    pub(super) fn check_device(&self) -> Result<(), Error> {
        if self.inner.lost.is_some() {
            let _ = self.inner.device.poll(wgpu::PollType::Poll);
        }
        self.check_not_lost()
    }
}

impl Error {
    #[cfg(not(target_arch = "wasm32"))]
    fn no_adapter(error: wgpu::RequestAdapterError) -> Self {
        Self::NoAdapter { remedy: ADAPTER_REMEDY, reason: error.to_string(), source: Some(Box::new(error)) }
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn refused(device: &str, error: wgpu::RequestDeviceError) -> Self {
        Self::Unsupported { device: device.to_owned(), reason: error.to_string(), source: Some(Box::new(error)) }
    }

    #[cfg(target_arch = "wasm32")]
    fn no_adapter(error: wgpu::RequestAdapterError) -> Self {
        Self::NoAdapter { remedy: ADAPTER_REMEDY, reason: error.to_string(), source: None }
    }

    #[cfg(target_arch = "wasm32")]
    fn refused(device: &str, error: wgpu::RequestDeviceError) -> Self {
        Self::unsupported(device, error.to_string())
    }
}

const ADAPTER_REMEDY: &str = if cfg!(target_os = "linux") {
    "install a Vulkan driver, or Mesa's software one: 'apt-get install mesa-vulkan-drivers' (Debian, Ubuntu), \
     'dnf install mesa-vulkan-drivers' (Fedora), 'pacman -S vulkan-swrast' (Arch)"
} else if cfg!(target_os = "macos") {
    "Metal needs macOS on hardware or a virtual machine with a GPU"
} else if cfg!(windows) {
    "update the graphics driver; WARP, the software adapter, comes with Windows 10 and later"
} else if cfg!(target_arch = "wasm32") {
    "use a browser with WebGPU over https or localhost"
} else {
    "install a graphics driver with Vulkan, Metal, DirectX 12 or OpenGL ES 3.1"
};
