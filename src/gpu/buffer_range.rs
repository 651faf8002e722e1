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
    other: Option<BufferRange<'a>>,
    packed_mask: Option<BufferRange<'a>>,
    row_ids: Option<BufferRange<'a>>,
    output: BufferRange<'a>,
    /// Of an output that is a mask.
    mask: Option<(MaskFormat, u64)>,
}

impl<'a> Ranges<'a> {
    /// Elements from an input to an output of the same length and type. The same range for both means in place.
    pub fn new(input: impl Into<BufferRange<'a>>, output: impl Into<BufferRange<'a>>) -> Self {
        Self { input: Some(input.into()), ..Self::output_alone(output.into()) }
    }

    const fn output_alone(output: BufferRange<'a>) -> Self {
        Self { input: None, other: None, packed_mask: None, row_ids: None, output, mask: None }
    }

    /// The same with another input of the same length and type, for [`Operation::Select`](crate::Operation): what takes the
    /// place of dropped elements. It may be the output's own range.
    #[must_use]
    pub fn with_other(self, other: impl Into<BufferRange<'a>>) -> Self {
        Self { other: Some(other.into()), ..self }
    }

    /// The same with the ids of rows of a [gathered](crate::Mask::gathered) mask: a `u32` for each row of its shape.
    #[must_use]
    pub fn with_row_ids(self, ids: impl Into<BufferRange<'a>>) -> Self {
        Self { row_ids: Some(ids.into()), ..self }
    }

    /// The same, with a packed mask of the caller for [`Operation::ApplyMask`](crate::Operation): `⌈n/32⌉` words of bits
    /// for n elements, element j is bit `j & 31` of word `j >> 5`, 1 = kept.
    #[must_use]
    pub fn with_packed_mask(self, mask: impl Into<BufferRange<'a>>) -> Self {
        Self { packed_mask: Some(mask.into()), ..self }
    }

    /// A keep mask of `length` elements as the output: [`MaskFormat::size`] bytes.
    pub fn mask(output: impl Into<BufferRange<'a>>, length: u64, format: MaskFormat) -> Self {
        Self { mask: Some((format, length)), ..Self::output_alone(output.into()) }
    }

    /// Normals as the output, f32: what [`Bound::record_normals`](crate::Bound::record_normals) writes.
    pub fn normals(output: impl Into<BufferRange<'a>>) -> Self {
        Self::output_alone(output.into())
    }

    pub(super) fn output(&self) -> &'a wgpu::Buffer {
        self.output.buffer
    }

    /// The ranges without their buffers, which are numbered as in [`buffer`](Self::buffer). Everything that can be wrong
    /// with them, but for whose buffers they are, is an error here.
    pub(super) fn operands(&self) -> Result<Operands, Error> {
        for input in [self.input, self.other].iter().flatten() {
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
            (None, None) if self.output.dtype == Dtype::F32 => Operands::normals(output)?,
            (None, None) => return Err(Error::Dtype { input: Dtype::F32, output: self.output.dtype }),
        };
        let operands = match &self.other {
            Some(other) => operands.with_other(operand(other))?,
            None => operands,
        };
        let operands = match &self.row_ids {
            Some(ids) => operands.with_row_ids(operand(ids))?,
            None => operands,
        };
        let operands = match &self.packed_mask {
            Some(mask) => operands.with_packed_mask(operand(mask))?,
            None => operands,
        };
        let output_role = if self.mask.is_some() { "mask" } else { "output" };
        for (range, role) in self.all().iter().zip(["input", "other input", "mask", "row ids", output_role]) {
            range.as_ref().map_or(Ok(()), |range| range.check(role))?;
        }
        Ok(operands)
    }

    fn all(&self) -> [Option<BufferRange<'a>>; 5] {
        [self.input, self.other, self.packed_mask, self.row_ids, Some(self.output)]
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
