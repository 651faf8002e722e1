use crate::Error;

/// A part of a buffer, in bytes. Frameworks pack many tensors into one buffer, so a range may start anywhere that
/// is a multiple of the element size.
#[derive(Clone, Copy, Debug)]
pub struct BufferRange<'a> {
    /// The buffer.
    pub buffer: &'a wgpu::Buffer,
    /// Bytes before the range.
    pub offset: u64,
    /// Bytes of the range.
    pub size: u64,
}

impl<'a> BufferRange<'a> {
    /// `size` bytes of `buffer` from byte `offset` on. Checked where it is used.
    pub const fn new(buffer: &'a wgpu::Buffer, offset: u64, size: u64) -> Self {
        Self { buffer, offset, size }
    }

    /// One past the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.size
    }

    /// Checks bounds, element alignment and usage.
    pub(crate) fn check(&self, role: &'static str) -> Result<(), Error> {
        let Self { buffer, offset, size } = *self;
        if offset % 4 != 0 {
            return Err(Error::Alignment { role, offset, alignment: 4 });
        }
        if size % 4 != 0 {
            return Err(Error::Size { role, size, remedy: "it must be a multiple of 4, the size of an element" });
        }
        if offset.checked_add(size).is_none_or(|end| end > buffer.size()) {
            return Err(Error::OutOfBounds { role, offset, size, buffer_size: buffer.size() });
        }
        if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
            return Err(Error::Usage { role, needed: "STORAGE" });
        }
        Ok(())
    }
}

/// The whole buffer.
impl<'a> From<&'a wgpu::Buffer> for BufferRange<'a> {
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self::new(buffer, 0, buffer.size())
    }
}

impl<'a> From<wgpu::BufferSlice<'a>> for BufferRange<'a> {
    fn from(slice: wgpu::BufferSlice<'a>) -> Self {
        Self::new(slice.buffer(), slice.offset(), slice.size())
    }
}

/// The bytes of a buffer that one binding shows: a range, or two, widened to where a binding may start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    start: u64,
    end: u64,
}

impl Window {
    /// The smallest window that a device can bind and that holds the bytes `start..end`.
    pub(crate) fn new(start: u64, end: u64, limits: &wgpu::Limits) -> Result<Self, Error> {
        let window = Self { start: start - start % u64::from(limits.min_storage_buffer_offset_alignment), end };
        let (bytes, limit) = (window.end - window.start, limits.max_storage_buffer_binding_size);
        if bytes > limit {
            return Err(Error::TooLarge { bytes, limit, what: "max_storage_buffer_binding_size" });
        }
        // Positions in a window are 32-bit, so is the device's own limit on Vulkan and DirectX 12.
        if window.end - window.start > u64::from(u32::MAX) {
            return Err(Error::TooLarge { bytes, limit: u32::MAX.into(), what: "32-bit positions in a binding" });
        }
        Ok(window)
    }

    /// Words from the start of the window to byte `offset` of the buffer.
    pub(crate) fn words_before(&self, offset: u64) -> u32 {
        ((offset - self.start) / 4) as u32
    }

    pub(crate) fn binding<'a>(&self, buffer: &'a wgpu::Buffer) -> wgpu::BindingResource<'a> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset: self.start,
            size: wgpu::BufferSize::new(self.end - self.start),
        })
    }
}
