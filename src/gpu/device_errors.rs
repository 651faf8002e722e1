//! Turns what a device reports into [`Error`], without touching the caller's handlers.

use crate::Error;

/// Runs `create` and returns what the device reports of it as an error.
///
/// Error scopes belong to the thread and nest, so the caller's own scopes see nothing of this. In a browser a scope
/// answers only later, so there the errors go to the device's uncaptured-error handler.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn scoped<T>(device: &wgpu::Device, what: &'static str, create: impl FnOnce() -> T) -> Result<T, Error> {
    let scopes = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation]
        .map(|filter| device.push_error_scope(filter));
    let value = create();
    let mut first = None;
    // Scopes are a stack: the last pushed is popped first. On native the answer is there at once.
    for scope in scopes.into_iter().rev() {
        first = pollster::block_on(scope.pop()).or(first);
    }
    match first {
        None => Ok(value),
        Some(wgpu::Error::OutOfMemory { .. }) => Err(Error::OutOfMemory { what }),
        Some(error) => Err(Error::Device { what, message: error.to_string() }),
    }
}

#[cfg(target_arch = "wasm32")]
pub(crate) fn scoped<T>(_: &wgpu::Device, _: &'static str, create: impl FnOnce() -> T) -> Result<T, Error> {
    Ok(create())
}
