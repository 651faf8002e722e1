//! Passes on the CPU.

use super::{drop_block::drop_block, fused, drop_block_mask};
use crate::{Dtype, Element, Error, Pass, Slice, drop_block::BlockWork, pass::Work, role::Role};

/// Runs a pass on slices.
///
/// # Errors
/// [`Error::Operands`] for other tensors than the pass needs, or a slice that is written to and is not `&mut`,
/// [`Error::Dtype`], [`Error::Size`], [`Error::OutOfMemory`], and what the pass itself names. What is written to is unchanged
/// then.
pub fn run_pass(mut pass: Pass<Slice<'_>>) -> Result<(), Error> {
    let dtype = pass.check()?;
    match pass.work {
        Work::DropBlock(BlockWork::Mask(mask)) => {
            let words = drop_block_mask(&mask)?;
            output(&mut pass, Role::Output)?.copy_from_slice(bytemuck::cast_slice(&words));
        }
        Work::DropBlock(BlockWork::Forward(mask)) => match dtype {
            Dtype::F32 => elementwise::<f32>(&mut pass, |x| drop_block(&mask, x))?,
            #[cfg(feature = "half")]
            Dtype::F16 => elementwise::<half::f16>(&mut pass, |x| drop_block(&mask, x))?,
            #[cfg(feature = "half")]
            Dtype::Bf16 => elementwise::<half::bf16>(&mut pass, |x| drop_block(&mask, x))?,
            #[cfg(not(feature = "half"))]
            Dtype::F16 | Dtype::Bf16 => unreachable!("without the feature `half` there are no such slices"),
        },
        Work::Fused(work) => match dtype {
            Dtype::F32 => fused::run::<f32>(&work, &mut pass)?,
            #[cfg(feature = "half")]
            Dtype::F16 => fused::run::<half::f16>(&work, &mut pass)?,
            #[cfg(feature = "half")]
            Dtype::Bf16 => fused::run::<half::bf16>(&work, &mut pass)?,
            #[cfg(not(feature = "half"))]
            Dtype::F16 | Dtype::Bf16 => unreachable!("without the feature `half` there are no such slices"),
        },
    }
    Ok(())
}

/// From the input to the output.
fn elementwise<T: Element>(
    pass: &mut Pass<Slice<'_>>,
    f: impl FnOnce(&[T]) -> Result<Vec<T>, Error>,
) -> Result<(), Error> {
    let x = pass.place(Role::Input).map_or(&[][..], Slice::as_bytes);
    let y = f(bytemuck::cast_slice(x))?;
    output(pass, Role::Output)?.copy_from_slice(bytemuck::cast_slice(&y));
    Ok(())
}

/// Where a result goes.
pub(super) fn output<'s>(pass: &'s mut Pass<Slice<'_>>, role: Role) -> Result<&'s mut [u8], Error> {
    let found = pass.tensors.iter_mut().find(|(other, _)| *other == role);
    found.map_or(Ok(&mut [][..]), |(_, slice)| slice.as_bytes_mut())
}
