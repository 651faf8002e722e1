//! Finds adapters. An adapter's number is its position here, so that `info` and `--adapter` agree.

use wgpu_dropout::{Context, kernels::F16Conversion, wgpu};

use crate::error::Error;

/// Every adapter, or the library's error with its remedy when there is none.
///
/// The environment variables of wgpu are honoured, as the library does.
pub fn all() -> Result<Vec<wgpu::Adapter>, Error> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    if adapters.is_empty() {
        // It says what to install.
        Context::new_blocking()?;
    }
    Ok(adapters)
}

/// Adapter `index`, or the one that wgpu thinks best.
pub fn find(index: Option<usize>) -> Result<wgpu::Adapter, Error> {
    let mut adapters = all()?;
    let index = match index {
        Some(index) => index,
        None => best(&adapters)?,
    };
    if index >= adapters.len() {
        return Err(no_such_adapter(index, &adapters));
    }
    Ok(adapters.swap_remove(index))
}

/// Opens adapter `index`, or the one that wgpu thinks best.
pub fn open(index: Option<usize>) -> Result<Context, Error> {
    match index {
        None => Ok(Context::new_blocking()?),
        Some(_) => Ok(pollster::block_on(Context::from_adapter(&find(index)?))?),
    }
}

/// The number of the adapter that wgpu thinks best.
pub fn best(adapters: &[wgpu::Adapter]) -> Result<usize, Error> {
    let info = Context::new_blocking()?.adapter_info();
    Ok(adapters.iter().position(|adapter| adapter.get_info() == info).unwrap_or(0))
}

/// What tells an adapter from the others in another process.
pub fn identity(info: &wgpu::AdapterInfo) -> String {
    let wgpu::AdapterInfo { name, vendor, device, device_pci_bus_id, driver, driver_info, backend, .. } = info;
    format!("{name}; {backend:?}; {driver}; {driver_info}; {vendor:x}:{device:x} {device_pci_bus_id}")
}

pub fn no_such_adapter(index: usize, adapters: &[wgpu::Adapter]) -> Error {
    let lines: Vec<_> =
        (0..).zip(adapters).map(|(n, adapter)| format!("  {}", describe(n, &adapter.get_info()))).collect();
    Error::NoSuchAdapter { index, list: lines.join("\n") }
}

/// One line: number, name, backend, driver.
pub fn describe(index: usize, info: &wgpu::AdapterInfo) -> String {
    format!("{index}: {} ({:?}, {})", info.name, info.backend, driver(info))
}

/// How a device converts 16-bit floats, as `info` and `verify` call it.
pub fn f16_name(conversion: F16Conversion) -> &'static str {
    match conversion {
        F16Conversion::Native => "the device's own conversions, which were seen to be right",
        _ => "integer arithmetic",
    }
}

pub fn driver(info: &wgpu::AdapterInfo) -> String {
    match (info.driver.as_str(), info.driver_info.as_str()) {
        ("", "") => "driver unknown".to_owned(),
        ("", one) | (one, "") => one.to_owned(),
        (driver, version) => format!("{driver}, {version}"),
    }
}
