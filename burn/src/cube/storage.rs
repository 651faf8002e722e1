//! Elements of 16 bits to and from f32 in integers, as the crate `half` converts them: exactly, and rounded to nearest even.
//!
//! CubeCL's own types f16 and bf16 are not on every device, and how they round is the device's.

use cubecl::prelude::*;
use wgpu_dropout::Dtype;

/// The value of an element, whose bits are the low ones.
#[cube]
pub(super) fn widen(bits: u32, #[comptime] dtype: Dtype) -> f32 {
    if comptime!(dtype == Dtype::F32) {
        f32::reinterpret(bits)
    } else if comptime!(dtype == Dtype::Bf16) {
        f32::reinterpret(bits << 16)
    } else {
        widen_f16(bits)
    }
}

/// The bits of the element next to a value.
#[cube]
pub(super) fn narrow(x: f32, #[comptime] dtype: Dtype) -> u32 {
    let bits = u32::reinterpret(x);
    if comptime!(dtype == Dtype::F32) {
        bits
    } else if comptime!(dtype == Dtype::Bf16) {
        let rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        select(bits & 0x7fff_ffff > 0x7f80_0000, (bits >> 16) | 0x40, rounded)
    } else {
        narrow_f16(bits)
    }
}

#[cube]
fn widen_f16(half: u32) -> f32 {
    let sign = (half & 0x8000) << 16;
    let magnitude = half & 0x7fff;
    // The exponent's bias goes from 15 to 127, and to all ones for infinity and NaN.
    let normal = (magnitude << 13) + select(magnitude >= 0x7c00, 0x7000_0000u32, 0x3800_0000u32);
    // A subnormal is a small integer times 2^-24: neither is subnormal in f32.
    let subnormal = u32::reinterpret(f32::cast_from(magnitude) * f32::new(5.960_464_5e-8));
    f32::reinterpret(sign | select(magnitude < 0x400, subnormal, normal))
}

#[cube]
fn narrow_f16(bits: u32) -> u32 {
    let magnitude = bits & 0x7fff_ffff;
    // Move the exponent, and drop 13 bits of the mantissa; a carry runs into the exponent, up to infinity.
    let even = (magnitude >> 13) & 1;
    let normal = min((magnitude + 0xfff + even - 0x3800_0000) >> 13, 0x7c00u32);
    // Below 2^-14 the mantissa moves by more, the smaller the exponent is; from 31 on nothing is left of it.
    let distance = min(126 - min(magnitude >> 23, 126u32), 31u32);
    let mantissa = (magnitude & 0x7f_ffff) | 0x80_0000;
    let whole = mantissa >> distance;
    let rest = mantissa - (whole << distance);
    let half = (1u32 << distance) >> 1;
    let up = rest > half || (rest == half && whole & 1 == 1);
    let subnormal = whole + select(up, 1, 0);
    let finite = select(magnitude < 0x3880_0000, subnormal, normal);
    ((bits >> 16) & 0x8000) | select(magnitude > 0x7f80_0000, 0x7e00u32, finite)
}
