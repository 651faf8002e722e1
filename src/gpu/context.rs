use std::sync::{Arc, OnceLock};

use super::{
    call::{CALL_BYTES, Slots},
    device_errors::scoped,
    pipelines::{Access, Decision, Extent, Kernel, KeySource, Layout, Operation, Pipelines},
    requirements::requirements,
};
use crate::{Dtype, Error, Generator};

/// A device with the library's pipelines. Costly to make, cheap to clone and to use from several threads.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: Pipelines,
    /// None where parameters travel as immediates.
    pub(super) slots: Option<Slots>,
    pub(super) limits: wgpu::Limits,
    pub(super) layout: Layout,
    /// Set when the device is lost. Only a device of the library's own is watched: there is one callback, and on a
    /// caller's device it is the caller's.
    lost: Option<Arc<OnceLock<String>>>,
}

/// Choices that change the speed and never a result. The defaults are good.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Invocations of a workgroup, 1 to 256.
    pub workgroup_size: u32,
    /// Whether to pass parameters as immediates where the device has them.
    pub immediates: bool,
    /// How a workgroup's elements are shared out; by default what suits the adapter.
    pub layout: Option<Layout>,
    /// For tests that must see a wrong kernel caught: replaces a text in the source of every shader.
    #[doc(hidden)]
    pub replace: Option<(&'static str, &'static str)>,
}

/// What SwiftShader and WebGPU's default limits allow.
pub(crate) const LARGEST_WORKGROUP: u32 = 256;

/// Room for several runs beside the alignment of a binding.
const LEAST_BINDING: u64 = 4096;

impl Default for Options {
    fn default() -> Self {
        Self { workgroup_size: 64, immediates: true, layout: None, replace: None }
    }
}

impl Context {
    /// Opens a device on the adapter that wgpu thinks best.
    ///
    /// The environment variables of wgpu are heeded: `WGPU_BACKEND=vulkan`, for example.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] when there is none, and those of [`from_adapter`](Self::from_adapter).
    pub async fn new() -> Result<Self, Error> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let wanted = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance
            .request_adapter(&wanted)
            .await
            .map_err(|error| Error::NoAdapter { remedy: ADAPTER_REMEDY, reason: error.to_string() })?;
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
        let unsupported = |reason| Error::Unsupported { device: adapter.get_info().name, reason };
        if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
            return Err(unsupported("it has no compute shaders; choose another adapter".into()));
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
            .map_err(|error| unsupported(error.to_string()))?;
        let lost = Arc::new(OnceLock::new());
        let told = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            // The first loss is the one to report.
            let _ = told.set(format!("{message} ({reason:?})"));
        });
        Self::assemble(device, queue, Options::default(), Some(lost))
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
        let limits = device.limits();
        let unsupported = |reason| Err(Error::Unsupported { device: device.adapter_info().name, reason });
        let most = limits
            .max_compute_invocations_per_workgroup
            .min(limits.max_compute_workgroup_size_x)
            .min(LARGEST_WORKGROUP);
        if !(1..=most).contains(&options.workgroup_size) {
            return unsupported(format!(
                "a workgroup size of {} is not within 1 to {most}; request a device with compute limits, or choose \
                 another size in Options",
                options.workgroup_size
            ));
        }
        if limits.max_storage_buffers_per_shader_stage < 2 {
            return unsupported(
                "it binds fewer than 2 storage buffers; request max_storage_buffers_per_shader_stage".into(),
            );
        }
        if limits.max_storage_buffer_binding_size < LEAST_BINDING {
            return unsupported(format!(
                "it binds at most {} bytes; request max_storage_buffer_binding_size of {LEAST_BINDING} or more",
                limits.max_storage_buffer_binding_size
            ));
        }
        if let Some((text, _)) = options.replace {
            if !Kernel::all().into_iter().any(|kernel| kernel.source(true).contains(text)) {
                return unsupported(format!("no shader has the text to replace: {text}"));
            }
        }
        let layout = options.layout.unwrap_or_else(|| match device.adapter_info().device_type {
            wgpu::DeviceType::Cpu => Layout::Neighbouring,
            _ => Layout::Interleaved,
        });
        let immediates = options.immediates
            && device.features().contains(wgpu::Features::IMMEDIATES)
            && limits.max_immediate_size >= CALL_BYTES;
        let (slots, pipelines) = scoped(&device, "bind group layouts", || {
            let slots = (!immediates).then(|| Slots::new(&device));
            let parameters = slots.as_ref().map(Slots::layout);
            let pipelines = Pipelines::new(&device, parameters, options.workgroup_size, options.replace);
            (slots, pipelines)
        })?;
        Ok(Self { inner: Arc::new(Inner { device, queue, pipelines, slots, limits, layout, lost }) })
    }

    /// Builds the pipelines of dropout of whole tensors, in place and out of place, now instead of at the first call
    /// that needs them. Others are still built when they are first needed.
    ///
    /// # Errors
    /// [`Error::Device`] when the device refuses a pipeline, [`Error::DeviceLost`].
    pub fn warm_up(&self, generator: Generator, dtype: Dtype) -> Result<(), Error> {
        self.check_device()?;
        let decision = Decision::Random { generator, key: KeySource::Parameter, aligned: true };
        for access in [Access::Separate, Access::Shared] {
            for extent in [Extent::Body(self.inner.layout), Extent::Edge] {
                let kernel = Kernel::Dropout { decision, operation: Operation::Inverted, dtype, access, extent };
                self.inner.pipelines.get(&self.inner.device, kernel)?;
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
        self.inner.slots.is_none()
    }

    /// An error when the library's own device is lost.
    pub(super) fn check_device(&self) -> Result<(), Error> {
        let Some(lost) = &self.inner.lost else { return Ok(()) };
        // wgpu tells of a loss only when it is polled, which costs about a tenth of recording a call.
        let _ = self.inner.device.poll(wgpu::PollType::Poll);
        match lost.get() {
            Some(message) => Err(Error::DeviceLost { message: message.clone() }),
            None => Ok(()),
        }
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
