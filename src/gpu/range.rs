use crate::{Dtype, Error};

/// A part of a buffer that holds elements of a type. Frameworks pack many tensors into one buffer, so a range may start
/// at any byte that is a multiple of the element size.
#[derive(Clone, Copy, Debug)]
pub struct BufferRange<'a> {
    /// The buffer.
    pub buffer: &'a wgpu::Buffer,
    /// Bytes before the range.
    pub offset: u64,
    /// Bytes of the range.
    pub size: u64,
    /// How an element is stored: f32 unless told. Masks have a format of their own and do not look at it.
    pub dtype: Dtype,
}

impl<'a> BufferRange<'a> {
    /// `size` bytes of f32 elements in `buffer` from byte `offset` on. Checked where it is used.
    pub const fn new(buffer: &'a wgpu::Buffer, offset: u64, size: u64) -> Self {
        Self { buffer, offset, size, dtype: Dtype::F32 }
    }

    /// The same bytes with elements of another type.
    pub const fn with_dtype(self, dtype: Dtype) -> Self {
        Self { dtype, ..self }
    }

    /// One past the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.size
    }

    /// Checks bounds, alignment to elements of `element_size` bytes, and usage.
    pub(crate) fn check(&self, role: &'static str, element_size: u64) -> Result<(), Error> {
        let Self { buffer, offset, size, .. } = *self;
        if !offset.is_multiple_of(element_size) {
            return Err(Error::Alignment { role, offset, alignment: element_size });
        }
        if !size.is_multiple_of(element_size) {
            return Err(Error::Size { role, size, remedy: "it must be a multiple of the size of an element" });
        }
        if offset.checked_add(size).is_none_or(|end| end > buffer.size()) {
            return Err(Error::OutOfBounds { role, offset, size, buffer_size: buffer.size() });
        }
        if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
            return Err(Error::Usage { role, needed: "STORAGE" });
        }
        // Shaders see whole words.
        let needed = self.end().next_multiple_of(4);
        if needed > buffer.size() {
            return Err(Error::LastWord { role, end: self.end(), buffer_size: buffer.size() });
        }
        Ok(())
    }
}

/// The whole buffer, as f32.
impl<'a> From<&'a wgpu::Buffer> for BufferRange<'a> {
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self::new(buffer, 0, buffer.size())
    }
}

/// A slice of a buffer, as f32.
impl<'a> From<wgpu::BufferSlice<'a>> for BufferRange<'a> {
    fn from(slice: wgpu::BufferSlice<'a>) -> Self {
        Self::new(slice.buffer(), slice.offset(), slice.size())
    }
}

/// The bytes of a buffer that one binding shows: a range, or two, widened to where a binding may start and end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    start: u64,
    end: u64,
}

impl Window {
    /// The smallest window that a device can bind and that holds the bytes `start..end`.
    pub(crate) fn new(start: u64, end: u64, limits: &wgpu::Limits) -> Self {
        let alignment = u64::from(limits.min_storage_buffer_offset_alignment);
        Self { start: start - start % alignment, end: end.next_multiple_of(4) }
    }

    pub(crate) fn size(&self) -> u64 {
        self.end - self.start
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Bytes from the start of the window to byte `offset` of the buffer.
    pub(crate) fn bytes_before(&self, offset: u64) -> u64 {
        offset - self.start
    }

    pub(crate) fn binding<'a>(&self, buffer: &'a wgpu::Buffer) -> wgpu::BindingResource<'a> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset: self.start,
            size: wgpu::BufferSize::new(self.size()),
        })
    }
}
