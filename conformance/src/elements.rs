//! Elements of any storage type as their bits, and the value contract on them.

use bytemuck::pod_collect_to_vec;
use half::{bf16, f16};
use wgpu_dropout::{Context, Dtype, Element, Error, Mask, reference};

/// A new type gets its checks before it gets here.
const NO_OTHER: &str = "a type without checks";

/// The elements as they lie in memory.
pub fn bytes(dtype: Dtype, bits: &[u32]) -> Vec<u8> {
    let size = dtype.size() as usize;
    bits.iter().flat_map(|bits| bits.to_le_bytes().into_iter().take(size)).collect()
}

pub fn bits(dtype: Dtype, bytes: &[u8]) -> Vec<u32> {
    match dtype {
        Dtype::F32 => pod_collect_to_vec(bytes),
        // 16 bits.
        _ => pod_collect_to_vec::<u8, u16>(bytes).into_iter().map(u32::from).collect(),
    }
}

fn typed<T: Element>(x: &[u32]) -> Vec<T> {
    pod_collect_to_vec(&bytes(T::DTYPE, x))
}

/// What the CPU reference returns.
pub fn expected(mask: &Mask, dtype: Dtype, x: &[u32]) -> Result<Vec<u32>, Error> {
    fn forward<T: Element>(mask: &Mask, x: &[u32]) -> Result<Vec<u32>, Error> {
        Ok(bits(T::DTYPE, bytemuck::cast_slice(&reference::forward(mask, &typed::<T>(x))?)))
    }
    match dtype {
        Dtype::F32 => forward::<f32>(mask, x),
        Dtype::F16 => forward::<f16>(mask, x),
        Dtype::Bf16 => forward::<bf16>(mask, x),
        _ => unreachable!("{NO_OTHER}"),
    }
}

/// What a device returns for a slice.
pub async fn forward(context: &Context, mask: &Mask, dtype: Dtype, x: &[u32]) -> Result<Vec<u32>, Error> {
    async fn forward<T: Element>(context: &Context, mask: &Mask, x: &[u32]) -> Result<Vec<u32>, Error> {
        Ok(bits(T::DTYPE, bytemuck::cast_slice(&context.forward(mask, &typed::<T>(x)).await?)))
    }
    match dtype {
        Dtype::F32 => forward::<f32>(context, mask, x).await,
        Dtype::F16 => forward::<f16>(context, mask, x).await,
        Dtype::Bf16 => forward::<bf16>(context, mask, x).await,
        _ => unreachable!("{NO_OTHER}"),
    }
}

pub fn value(dtype: Dtype, bits: u32) -> f32 {
    match dtype {
        Dtype::F32 => f32::from_bits(bits),
        Dtype::F16 => f16::from_bits(bits as u16).to_f32(),
        Dtype::Bf16 => bf16::from_bits(bits as u16).to_f32(),
        _ => unreachable!("{NO_OTHER}"),
    }
}

/// Whether a device may return `actual` where the reference has `expected`, as the section on values of
/// docs/format.md says.
///
/// Bit-equal, but that a kept NaN gives some NaN, and a kept f32 or bf16 subnormal the exact result or a zero of its
/// sign; computing with an f16 subnormal needs no subnormal f32. A dropped element is +0, whatever it was. Where
/// everything is kept, for p = 0 and in evaluation, the bits are copied.
pub fn is_right(dtype: Dtype, copy: bool, keep: bool, x: u32, expected: u32, actual: u32) -> bool {
    let (sign, infinity, smallest_normal) = match dtype {
        Dtype::F32 => (0x8000_0000, 0x7f80_0000, 0x0080_0000),
        Dtype::F16 => (0x8000, 0x7c00, 0x0400),
        Dtype::Bf16 => (0x8000, 0x7f80, 0x0080),
        _ => unreachable!("{NO_OTHER}"),
    };
    let is_nan = |bits: u32| bits & !sign > infinity;
    let is_subnormal = |bits: u32| bits & !sign != 0 && bits & !sign < smallest_normal;
    // The scale is 1 or more, so a product can be subnormal only where x is.
    let may_be_flushed = dtype != Dtype::F16 && is_subnormal(x);
    actual == expected || keep && !copy && (is_nan(x) && is_nan(actual) || may_be_flushed && actual == x & sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract() {
        const SUBNORMAL: u32 = 0x8000_0400;
        let scale = 1.25;
        for (keep, x, actual, right) in [
            (true, 1.0f32.to_bits(), 1.25f32.to_bits(), true),
            (true, 1.0f32.to_bits(), 1.25f32.to_bits() + 1, false),
            (true, 0x8000_0000, 0x8000_0000, true),
            (true, 0x8000_0000, 0, false),
            (true, 0x7f80_0000, 0x7f80_0000, true),
            (true, 0x7f80_0000, 0x7fc0_0000, false),
            // Some NaN.
            (true, 0x7fa0_0001, 0xffc0_0000, true),
            (true, 0x7fa0_0001, 0x7f80_0000, false),
            (true, 1.0f32.to_bits(), 0x7fc0_0000, false),
            // The exact result, or a zero of its sign.
            (true, SUBNORMAL, 0x8000_0500, true),
            (true, SUBNORMAL, 0x8000_0000, true),
            (true, SUBNORMAL, 0, false),
            (true, SUBNORMAL, 0x8000_0501, false),
            (true, SUBNORMAL, SUBNORMAL, false),
            // Dropped is +0, whatever it was.
            (false, 0x7fc0_0000, 0, true),
            (false, 0x7fc0_0000, 0x7fc0_0000, false),
            (false, SUBNORMAL, 0, true),
            (false, SUBNORMAL, 0x8000_0000, false),
        ] {
            let expected = if keep { (f32::from_bits(x) * scale).to_bits() } else { 0 };
            assert_eq!(is_right(Dtype::F32, false, keep, x, expected, actual), right, "{keep} {x:x} {actual:x}");
        }
        // A copy keeps every bit.
        for x in [0x7fa0_0001, SUBNORMAL] {
            assert!(is_right(Dtype::F32, true, true, x, x, x));
            assert!(!is_right(Dtype::F32, true, true, x, x, x & 0x8000_0000));
            assert!(!is_right(Dtype::F32, true, true, x, x, 0x7fc0_0000));
        }
    }

    #[test]
    fn contract_of_16_bits() {
        // A subnormal of bfloat16 is one of f32 too; a subnormal of binary16 is a normal f32.
        assert!(is_right(Dtype::Bf16, false, true, 0x8004, 0x8005, 0x8000));
        assert!(!is_right(Dtype::Bf16, false, true, 0x8004, 0x8005, 0));
        assert!(!is_right(Dtype::F16, false, true, 0x8004, 0x8005, 0x8000));
        for (dtype, infinity) in [(Dtype::F16, 0x7c00), (Dtype::Bf16, 0x7f80)] {
            assert!(is_right(dtype, false, true, infinity + 1, infinity + 0x40, 0xffff));
            assert!(!is_right(dtype, false, true, infinity + 1, infinity + 0x40, infinity));
            assert!(!is_right(dtype, false, true, infinity, infinity, infinity + 1));
            assert!(!is_right(dtype, false, false, infinity + 1, 0, 0x8000));
        }
    }
}
