//! Elements of any storage type as their bits, and the value contract on them.

use bytemuck::pod_collect_to_vec;
use half::{bf16, f16};
use wgpu_dropout::{Context, Dtype, Element, Error, Operation, Slices, reference};

use crate::steps::Step;

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

pub fn typed<T: Element>(x: &[u32]) -> Vec<T> {
    pod_collect_to_vec(&bytes(T::DTYPE, x))
}

/// What goes into a call, as bits.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    pub dtype: Dtype,
    pub x: &'a [u32],
    /// What takes the place of dropped elements.
    pub other: Option<&'a [u32]>,
    pub row_ids: Option<&'a [u32]>,
}

impl<'a> Inputs<'a> {
    pub const fn new(dtype: Dtype, x: &'a [u32]) -> Self {
        Self { dtype, x, other: None, row_ids: None }
    }
}

/// Slices of a type made of inputs.
struct Typed<'a, T> {
    x: Vec<T>,
    other: Option<Vec<T>>,
    row_ids: Option<&'a [u32]>,
}

impl<'a, T: Element> Typed<'a, T> {
    fn new(inputs: &Inputs<'a>) -> Self {
        Self { x: typed(inputs.x), other: inputs.other.map(typed), row_ids: inputs.row_ids }
    }

    fn slices(&self) -> Slices<'_, T> {
        let mut slices = Slices::new(&self.x);
        if let Some(other) = &self.other {
            slices = slices.with_other(other);
        }
        if let Some(row_ids) = self.row_ids {
            slices = slices.with_row_ids(row_ids);
        }
        slices
    }
}

/// What the CPU reference returns.
pub fn expected(operation: Operation, inputs: &Inputs<'_>) -> Result<Vec<u32>, Error> {
    fn run<T: Element>(operation: Operation, inputs: &Inputs<'_>) -> Result<Vec<u32>, Error> {
        Ok(bits(T::DTYPE, bytemuck::cast_slice(&reference::run(operation, Typed::<T>::new(inputs).slices())?)))
    }
    match inputs.dtype {
        Dtype::F32 => run::<f32>(operation, inputs),
        Dtype::F16 => run::<f16>(operation, inputs),
        Dtype::Bf16 => run::<bf16>(operation, inputs),
        _ => unreachable!("{NO_OTHER}"),
    }
}

/// What a device returns for slices.
pub async fn run(context: &Context, operation: Operation, inputs: &Inputs<'_>) -> Result<Vec<u32>, Error> {
    async fn run<T: Element>(context: &Context, operation: Operation, inputs: &Inputs<'_>) -> Result<Vec<u32>, Error> {
        Ok(bits(T::DTYPE, bytemuck::cast_slice(&context.run(operation, Typed::<T>::new(inputs).slices()).await?)))
    }
    match inputs.dtype {
        Dtype::F32 => run::<f32>(context, operation, inputs).await,
        Dtype::F16 => run::<f16>(context, operation, inputs).await,
        Dtype::Bf16 => run::<bf16>(context, operation, inputs).await,
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

/// Whether a device may return `actual` where the reference has `expected`, as the section on values of docs/format.md
/// says.
///
/// Bit-equal, but that what is computed may give another NaN for a NaN, and where an f32 operation meets a subnormal, a zero
/// of the result's sign. Computing with an f16 subnormal needs no subnormal f32. What is dropped or copied is no computation.
pub fn is_right(dtype: Dtype, step: Step, x: u32, expected: u32, actual: u32) -> bool {
    let (sign, infinity) = match dtype {
        Dtype::F32 => (0x8000_0000, 0x7f80_0000),
        Dtype::F16 => (0x8000, 0x7c00),
        Dtype::Bf16 => (0x8000, 0x7f80),
        _ => unreachable!("{NO_OTHER}"),
    };
    let is_nan = |bits: u32| bits & !sign > infinity;
    actual == expected
        || step.computes() && is_nan(expected) && is_nan(actual)
        || step.may_flush(value(dtype, x)) && actual == expected & sign
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALED: Step = Step::Product { by: 1.25 };

    #[test]
    fn contract() {
        const SUBNORMAL: u32 = 0x8000_0400;
        for (step, x, actual, right) in [
            (SCALED, 1.0f32.to_bits(), 1.25f32.to_bits(), true),
            (SCALED, 1.0f32.to_bits(), 1.25f32.to_bits() + 1, false),
            (SCALED, 0x8000_0000, 0x8000_0000, true),
            (SCALED, 0x8000_0000, 0, false),
            (SCALED, 0x7f80_0000, 0x7f80_0000, true),
            (SCALED, 0x7f80_0000, 0x7fc0_0000, false),
            // Some NaN.
            (SCALED, 0x7fa0_0001, 0xffc0_0000, true),
            (SCALED, 0x7fa0_0001, 0x7f80_0000, false),
            (SCALED, 1.0f32.to_bits(), 0x7fc0_0000, false),
            // The exact result, or a zero of its sign.
            (SCALED, SUBNORMAL, 0x8000_0500, true),
            (SCALED, SUBNORMAL, 0x8000_0000, true),
            (SCALED, SUBNORMAL, 0, false),
            (SCALED, SUBNORMAL, 0x8000_0501, false),
            (SCALED, SUBNORMAL, SUBNORMAL, false),
            // The sign is that of the result.
            (Step::Product { by: -2.0 }, SUBNORMAL, 0x0000_0800, true),
            (Step::Product { by: -2.0 }, SUBNORMAL, 0, true),
            (Step::Product { by: -2.0 }, SUBNORMAL, 0x8000_0000, false),
            // A normal number with a subnormal product.
            (Step::Product { by: 0.25 }, 0x0080_0000, 0x0020_0000, true),
            (Step::Product { by: 0.25 }, 0x0080_0000, 0, true),
            (Step::Product { by: 0.25 }, 0x0200_0000, 0, false),
            // What is added absorbs it.
            (Step::Affine { scale: 1.25, shift: 1.0 }, SUBNORMAL, 1.0f32.to_bits(), true),
            (Step::Affine { scale: 1.25, shift: 1.0 }, SUBNORMAL, 0x8000_0000, false),
        ] {
            let expected = match step {
                Step::Bits => x,
                Step::Product { by } => (f32::from_bits(x) * by).to_bits(),
                Step::Affine { scale, shift } => (f32::from_bits(x) * scale + shift).to_bits(),
            };
            assert_eq!(is_right(Dtype::F32, step, x, expected, actual), right, "{step:?} {x:x} {actual:x}");
        }
        // A copy keeps every bit, and what is dropped is what it is, whatever it was.
        for x in [0x7fa0_0001, SUBNORMAL] {
            for expected in [x, 0, 1.5f32.to_bits()] {
                assert!(is_right(Dtype::F32, Step::Bits, x, expected, expected));
                for actual in [x & 0x8000_0000, 0x7fc0_0000, 0x8000_0000] {
                    assert_eq!(is_right(Dtype::F32, Step::Bits, x, expected, actual), expected == actual);
                }
            }
        }
    }

    #[test]
    fn contract_of_16_bits() {
        // A subnormal of bfloat16 is one of f32 too; a subnormal of binary16 is a normal f32.
        assert!(is_right(Dtype::Bf16, SCALED, 0x8004, 0x8005, 0x8000));
        assert!(!is_right(Dtype::Bf16, SCALED, 0x8004, 0x8005, 0));
        assert!(!is_right(Dtype::F16, SCALED, 0x8004, 0x8005, 0x8000));
        for (dtype, infinity) in [(Dtype::F16, 0x7c00), (Dtype::Bf16, 0x7f80)] {
            assert!(is_right(dtype, SCALED, infinity + 1, infinity + 0x40, 0xffff));
            assert!(!is_right(dtype, SCALED, infinity + 1, infinity + 0x40, infinity));
            assert!(!is_right(dtype, SCALED, infinity, infinity, infinity + 1));
            assert!(!is_right(dtype, Step::Bits, infinity + 1, 0, 0x8000));
        }
    }
}
