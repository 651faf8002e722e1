use std::sync::Arc;

use wasm_bindgen::prelude::*;
use wgpu_dropout::{
    Context, requirements,
    wgpu::{self, Adapter, DeviceDescriptor, Instance, InstanceDescriptor, PowerPreference, RequestAdapterOptions},
};

use crate::trouble::report;

/// The library on a device of the browser.
#[wasm_bindgen]
pub struct Gpu {
    pub(crate) context: Context,
}

#[wasm_bindgen]
impl Gpu {
    /// Opens the browser's preferred device.
    ///
    /// # Errors
    /// When there is no adapter, or it refuses the device.
    pub async fn open() -> Result<Self, JsError> {
        let adapter = adapter().await?;
        let wanted = requirements(&adapter);
        let descriptor = DeviceDescriptor {
            label: Some("wgpu-dropout page"),
            required_features: wanted.features,
            required_limits: wanted.limits,
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await?;
        // The device is the page's own, so its handlers are too. They are set before anything is created on it.
        device.on_uncaptured_error(Arc::new(|error: wgpu::Error| report("error", &error.to_string())));
        device.set_device_lost_callback(|reason, message| report("lost", &format!("{message} ({reason:?})")));
        Ok(Self { context: Context::from_device(device, queue)? })
    }
}

pub async fn adapter() -> Result<Adapter, JsError> {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle());
    // As the page's own question for an adapter (device.js), so that both get the same one.
    let options = RequestAdapterOptions { power_preference: PowerPreference::HighPerformance, ..Default::default() };
    Ok(instance.request_adapter(&options).await?)
}
