//! Passes on the CPU.

use super::{
    drop_block::drop_block,
    drop_block_mask, drop_connect,
    dropout::reserve,
    fused::fused,
    softmax::softmax_dropout,
    statistics::{samples, statistics},
    uncertainty::uncertainty,
};
use crate::{
    Dtype, Element, Error, Pass, Place, Slice, drop_block::BlockWork, drop_connect::ConnectWork, pass::Work, role::Role,
};

/// Calls a function of an element's type with the one that a [`Dtype`] names.
macro_rules! typed {
    ($dtype:expr, $function:ident, $($argument:expr),+) => {
        match $dtype {
            Dtype::F32 => $function::<f32>($($argument),+),
            #[cfg(feature = "half")]
            Dtype::F16 => $function::<half::f16>($($argument),+),
            #[cfg(feature = "half")]
            Dtype::Bf16 => $function::<half::bf16>($($argument),+),
            #[cfg(not(feature = "half"))]
            Dtype::F16 | Dtype::Bf16 => unreachable!("without the feature `half` there are no such slices"),
        }
    };
}

/// Runs a pass on slices.
///
/// # Errors
/// [`Error::Operands`] for other tensors than the pass needs, or a slice that is written to and is not `&mut`,
/// [`Error::Dtype`], [`Error::Size`], [`Error::OutOfMemory`], and what the pass itself names. What is written to is unchanged
/// then.
pub fn run_pass(mut pass: Pass<Slice<'_>>) -> Result<(), Error> {
    let dtype = pass.check()?;
    let pass = &mut pass;
    match pass.work {
        Work::DropBlock(work) => typed!(dtype, blocks, &work, pass),
        Work::Fused(work) => fused(&work, pass),
        Work::Softmax(work) => softmax_dropout(&work, pass),
        Work::DropConnect(work) => typed!(dtype, connect, &work, pass),
        Work::Samples(work) => typed!(dtype, samples, &work, pass),
        Work::Statistics(work) => statistics(&work, pass),
        Work::Uncertainty(work) => uncertainty(&work, pass),
    }
}

fn blocks<T: Element>(work: &BlockWork, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    match work {
        BlockWork::Forward(mask) => write(pass, Role::Output, &drop_block::<T>(mask, elements(pass, Role::Input))?),
        BlockWork::Mask(mask) => write(pass, Role::Output, &drop_block_mask(mask)?),
    }
}

fn connect<T: Element>(work: &ConnectWork, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    work.check()?;
    let [weights, x, dy] = [Role::Weights, Role::Input, Role::Gradient].map(|role| elements::<T>(pass, role));
    let y = match work {
        ConnectWork::Forward(of) => drop_connect::forward(of, weights, x)?,
        ConnectWork::BackwardInput(of) => drop_connect::backward_input(of, weights, dy)?,
        ConnectWork::BackwardWeights(of) => drop_connect::backward_weights(of, x, dy)?,
        ConnectWork::Moments(of) => {
            let [mean, variance] = drop_connect::moments(of, weights, x)?;
            output(pass, Role::Output)?;
            write(pass, Role::OutputVariance, &variance)?;
            mean
        }
        ConnectWork::Samples { of, first, count } => {
            let [mean, variance] = [Role::GivenMean, Role::GivenVariance].map(|role| elements::<T>(pass, role));
            drop_connect::samples(of, mean, variance, *first, *count)?
        }
    };
    write(pass, Role::Output, &y)
}

/// The elements of a tensor, which is of their type; none where there is no such tensor.
pub(super) fn elements<'a, T: bytemuck::Pod>(pass: &'a Pass<Slice<'_>>, role: Role) -> &'a [T] {
    pass.place(role).map_or(&[], |slice| bytemuck::cast_slice(slice.as_bytes()))
}

/// The same of any type, as f32.
pub(super) fn widened(pass: &Pass<Slice<'_>>, role: Role) -> Result<Vec<f32>, Error> {
    fn widen<T: Element>(pass: &Pass<Slice<'_>>, role: Role) -> Result<Vec<f32>, Error> {
        let elements: &[T] = elements(pass, role);
        let mut all = reserve(elements.len() as u64)?;
        all.extend(elements.iter().map(|x| x.widen()));
        Ok(all)
    }
    typed!(pass.place(role).map_or(Dtype::F32, Place::dtype), widen, pass, role)
}

/// Stores results, rounded once to the type of the tensor; nothing where there is no such tensor.
pub(super) fn store(pass: &mut Pass<Slice<'_>>, role: Role, values: &[f32]) -> Result<(), Error> {
    fn narrow<T: Element>(to: &mut [u8], values: &[f32]) {
        for (to, &value) in bytemuck::cast_slice_mut(to).iter_mut().zip(values) {
            *to = T::narrow(value);
        }
    }
    if let Some(dtype) = pass.place(role).map(Place::dtype) {
        let to = output(pass, role)?;
        typed!(dtype, narrow, to, values);
    }
    Ok(())
}

/// Writes elements as they are.
pub(super) fn write<T: bytemuck::Pod>(pass: &mut Pass<Slice<'_>>, role: Role, elements: &[T]) -> Result<(), Error> {
    output(pass, role)?.copy_from_slice(bytemuck::cast_slice(elements));
    Ok(())
}

/// Where a result goes.
pub(super) fn output<'s>(pass: &'s mut Pass<Slice<'_>>, role: Role) -> Result<&'s mut [u8], Error> {
    let found = pass.tensors.iter_mut().find(|(other, _)| *other == role);
    found.map_or(Ok(&mut [][..]), |(_, slice)| slice.as_bytes_mut())
}
