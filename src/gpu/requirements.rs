/// What a device should be requested with, so that the library runs at its best. Everything works with none of it.
#[derive(Clone, Debug)]
pub struct Requirements {
    /// Features of the adapter that the library makes use of: parameters as immediates, and 16-bit floats in shaders.
    pub features: wgpu::Features,
    /// Limits of the adapter that the library makes use of. Limits must be requested to be had.
    pub limits: wgpu::Limits,
}

/// The features and limits of `adapter` to merge into your device request.
///
/// ```no_run
/// # async fn f(adapter: wgpu::Adapter) -> Result<(), Box<dyn std::error::Error>> {
/// let wanted = wgpu_dropout::requirements(&adapter);
/// let (device, queue) = adapter
///     .request_device(&wgpu::DeviceDescriptor {
///         required_features: wanted.features | wgpu::Features::empty(), // and yours
///         required_limits: wgpu::Limits::default().or_better_values_from(&wanted.limits),
///         ..Default::default()
///     })
///     .await?;
/// let context = wgpu_dropout::Context::from_device(device, queue)?;
/// # Ok(()) }
/// ```
pub fn requirements(adapter: &wgpu::Adapter) -> Requirements {
    let features = adapter.features() & (wgpu::Features::IMMEDIATES | wgpu::Features::SHADER_F16);
    let available = adapter.limits();
    let limits = wgpu::Limits {
        max_buffer_size: available.max_buffer_size,
        max_storage_buffer_binding_size: available.max_storage_buffer_binding_size,
        // A selection between two inputs by gathered rows with its key in a buffer binds five.
        max_storage_buffers_per_shader_stage: available.max_storage_buffers_per_shader_stage.min(8),
        max_immediate_size: if features.contains(wgpu::Features::IMMEDIATES) {
            super::parameters::MAX_IMMEDIATES.min(available.max_immediate_size)
        } else {
            0
        },
        ..wgpu::Limits::downlevel_defaults().or_worse_values_from(&available)
    };
    Requirements { features, limits }
}
