use std::{fmt, str::FromStr};

use crate::UnknownName;

/// How an element is stored. 16-bit elements lie two to a 32-bit word and are computed in f32, rounded to nearest even
/// once on the way back; overflow gives infinity. The mask at an index is the same for every type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE binary32.
    #[default]
    F32,
    /// IEEE binary16.
    F16,
    /// The upper half of an f32.
    Bf16,
}

impl Dtype {
    /// Every type.
    pub const ALL: &'static [Self] = &[Self::F32, Self::F16, Self::Bf16];

    /// Bytes of an element.
    pub const fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dtype {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("type", name, Self::ALL, Self::name)
    }
}

/// How a keep mask is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MaskFormat {
    /// Packed, one bit per element: element j is bit `j & 31` of word `j >> 5`; unused bits are 0; 4·⌈length/32⌉ bytes.
    #[default]
    Bits,
    /// One byte per element, 0 or 1, as the second output of ONNX Dropout.
    Bytes,
}

impl MaskFormat {
    /// What an error says of a mask of the wrong size.
    pub(crate) const REMEDY: &str = "a mask of bits has 4·⌈length/32⌉ bytes, a mask of bytes one for each element";

    /// Every format.
    pub const ALL: &'static [Self] = &[Self::Bits, Self::Bytes];

    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bits => "bits",
            Self::Bytes => "bytes",
        }
    }

    /// Bytes of a mask of `length` elements.
    pub const fn size(self, length: u64) -> u64 {
        match self {
            Self::Bits => length.div_ceil(32) * 4,
            Self::Bytes => length,
        }
    }
}

/// An element of a slice: `f32`, and with the feature `half` also `half::f16` and `half::bf16`.
pub trait Element: bytemuck::Pod + sealed::Sealed {
    /// Its storage type.
    const DTYPE: Dtype;
    /// Exact.
    fn widen(self) -> f32;
    /// Rounded to nearest even.
    fn narrow(x: f32) -> Self;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
    fn widen(self) -> f32 {
        self
    }
    fn narrow(x: f32) -> Self {
        x
    }
}

#[cfg(feature = "half")]
impl Element for half::f16 {
    const DTYPE: Dtype = Dtype::F16;
    fn widen(self) -> f32 {
        self.to_f32()
    }
    fn narrow(x: f32) -> Self {
        Self::from_f32(x)
    }
}

#[cfg(feature = "half")]
impl Element for half::bf16 {
    const DTYPE: Dtype = Dtype::Bf16;
    fn widen(self) -> f32 {
        self.to_f32()
    }
    fn narrow(x: f32) -> Self {
        Self::from_f32(x)
    }
}

/// The bits of a bf16, for where the feature `half` is not needed.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Bf16(u16);

#[cfg(feature = "gpu")]
impl Element for Bf16 {
    const DTYPE: Dtype = Dtype::Bf16;
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
    fn narrow(x: f32) -> Self {
        let bits = x.to_bits();
        if x.is_nan() {
            return Self((bits >> 16) as u16 | 0x40);
        }
        Self(((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    #[cfg(feature = "gpu")]
    impl Sealed for super::Bf16 {}
    #[cfg(feature = "half")]
    impl Sealed for half::f16 {}
    #[cfg(feature = "half")]
    impl Sealed for half::bf16 {}
}

#[cfg(all(test, feature = "half", feature = "gpu"))]
mod tests {
    use super::*;

    /// As half rounds, but for which NaN it is.
    #[test]
    fn bits_of_bf16_are_rounded_to_nearest_even() {
        for high in 0..=0xffff_u32 {
            for low in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(high << 16 | low);
                let (actual, expected) = (Bf16::narrow(x), half::bf16::from_f32(x));
                assert!(
                    actual.0 == expected.to_bits() || x.is_nan() && expected.is_nan() && actual.widen().is_nan(),
                    "{x}"
                );
            }
        }
    }
}
