//! Ranges of buffers, and what is checked of a single one.

use crate::{
    Dtype, Error, MaskFormat,
    kernels::{Binding, Operand, Operands},
};

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
    #[must_use]
    pub const fn with_dtype(self, dtype: Dtype) -> Self {
        Self { dtype, ..self }
    }

    /// Checks bounds and usage.
    pub(super) fn check(&self, role: &'static str) -> Result<(), Error> {
        let Self { buffer, offset, size, .. } = *self;
        let Some(end) = offset.checked_add(size).filter(|&end| end <= buffer.size()) else {
            return Err(Error::OutOfBounds { role, offset, size, buffer_size: buffer.size() });
        };
        if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
            return Err(Error::Usage { role, needed: "STORAGE" });
        }
        // Shaders see whole words.
        if end.next_multiple_of(4) > buffer.size() {
            return Err(Error::LastWord { role, end, buffer_size: buffer.size() });
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

/// The ranges of buffers that an operation works on.
#[derive(Clone, Copy, Debug)]
pub struct Ranges<'a> {
    input: Option<BufferRange<'a>>,
    packed_mask: Option<BufferRange<'a>>,
    output: BufferRange<'a>,
    /// Of an output that is a mask.
    mask: Option<(MaskFormat, u64)>,
}

impl<'a> Ranges<'a> {
    /// Elements from an input to an output of the same length and type. The same range for both means in place.
    pub fn new(input: impl Into<BufferRange<'a>>, output: impl Into<BufferRange<'a>>) -> Self {
        Self { input: Some(input.into()), packed_mask: None, output: output.into(), mask: None }
    }

    /// The same, with a packed mask of the caller for [`Operation::ApplyMask`](crate::Operation): `⌈n/32⌉` words of bits
    /// for n elements, element j is bit `j & 31` of word `j >> 5`, 1 = kept.
    #[must_use]
    pub fn with_packed_mask(self, mask: impl Into<BufferRange<'a>>) -> Self {
        Self { packed_mask: Some(mask.into()), ..self }
    }

    /// A keep mask of `length` elements as the output: [`MaskFormat::size`] bytes.
    pub fn mask(output: impl Into<BufferRange<'a>>, length: u64, format: MaskFormat) -> Self {
        Self { input: None, packed_mask: None, output: output.into(), mask: Some((format, length)) }
    }

    pub(super) fn output(&self) -> &'a wgpu::Buffer {
        self.output.buffer
    }

    /// The ranges without their buffers, which are numbered as in [`buffer`](Self::buffer). Everything that can be wrong
    /// with them, but for whose buffers they are, is an error here.
    pub(super) fn operands(&self) -> Result<Operands, Error> {
        if let Some(input) = &self.input {
            if input.dtype != self.output.dtype {
                return Err(Error::Dtype { input: input.dtype, output: self.output.dtype });
            }
        }
        let operand = |range: &BufferRange<'_>| {
            // Equal for handles of one buffer. Buffers of two instances of wgpu can be equal too, and wgpu takes the one
            // for the other.
            let mut numbered = (0..).zip(self.all().into_iter().flatten());
            let number = numbered.find_map(|(number, other)| (other.buffer == range.buffer).then_some(number));
            Operand::new(number.unwrap_or_default(), range.offset, range.size)
        };
        let output = operand(&self.output);
        let operands = match (&self.input, self.mask) {
            (Some(input), _) => Operands::values(input.dtype, operand(input), output)?,
            (None, Some((format, length))) => Operands::mask(format, length, output)?,
            (None, None) => unreachable!("neither constructor leaves out both"),
        };
        let operands = match &self.packed_mask {
            Some(mask) => operands.with_packed_mask(operand(mask))?,
            None => operands,
        };
        let output_role = if self.mask.is_some() { "mask" } else { "output" };
        for (range, role) in self.all().iter().zip(["input", "mask", output_role]) {
            range.as_ref().map_or(Ok(()), |range| range.check(role))?;
        }
        Ok(operands)
    }

    fn all(&self) -> [Option<BufferRange<'a>>; 3] {
        [self.input, self.packed_mask, Some(self.output)]
    }

    fn buffer(&self, number: u32) -> &'a wgpu::Buffer {
        self.all().into_iter().flatten().nth(number as usize).map_or(self.output.buffer, |range| range.buffer)
    }

    /// A binding of a plan as wgpu takes it.
    pub(super) fn resource(&self, binding: &Binding) -> wgpu::BindingResource<'a> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: self.buffer(binding.buffer),
            offset: binding.offset,
            size: wgpu::BufferSize::new(binding.size),
        })
    }
}
