//! Passes on the CPU.

use super::{
    drop_block::drop_block,
    drop_block_mask, drop_connect,
    dropout::reserve,
    fused, softmax,
    statistics::{samples, statistics},
    uncertainty::uncertainty,
};
use crate::{
    Dtype, Element, Error, Pass, Place, Slice, drop_block::BlockWork, drop_connect::ConnectWork, pass::Work, role::Role,
};

/// Runs a pass on slices.
///
/// # Errors
/// [`Error::Operands`] for other tensors than the pass needs, or a slice that is written to and is not `&mut`,
/// [`Error::Dtype`], [`Error::Size`], [`Error::OutOfMemory`], and what the pass itself names. What is written to is unchanged
/// then.
pub fn run_pass(mut pass: Pass<Slice<'_>>) -> Result<(), Error> {
    let dtype = pass.check()?;
    match pass.work {
        Work::Softmax(work) => {
            work.check()?;
            let (x, dy) = (widened(&pass, Role::Input, dtype), widened(&pass, Role::Gradient, dtype));
            store_f32(&mut pass, Role::Output, dtype, &softmax::run(&work, &x, &dy))?;
        }
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
        Work::DropConnect(work) => {
            work.check()?;
            match dtype {
                Dtype::F32 => connect::<f32>(&mut pass, &work)?,
                #[cfg(feature = "half")]
                Dtype::F16 => connect::<half::f16>(&mut pass, &work)?,
                #[cfg(feature = "half")]
                Dtype::Bf16 => connect::<half::bf16>(&mut pass, &work)?,
                #[cfg(not(feature = "half"))]
                Dtype::F16 | Dtype::Bf16 => unreachable!("without the feature `half` there are no such slices"),
            }
        }
        Work::Samples(work) => match dtype {
            Dtype::F32 => samples::<f32>(&work, &mut pass)?,
            #[cfg(feature = "half")]
            Dtype::F16 => samples::<half::f16>(&work, &mut pass)?,
            #[cfg(feature = "half")]
            Dtype::Bf16 => samples::<half::bf16>(&work, &mut pass)?,
            #[cfg(not(feature = "half"))]
            Dtype::F16 | Dtype::Bf16 => unreachable!("without the feature `half` there are no such slices"),
        },
        Work::Statistics(work) => statistics(&work, &mut pass)?,
        Work::Uncertainty(work) => uncertainty(&work, &mut pass)?,
    }
    Ok(())
}

fn connect<T: Element>(pass: &mut Pass<Slice<'_>>, work: &ConnectWork) -> Result<(), Error> {
    let of_role = |role| pass.place(role).map_or(&[][..], |slice| bytemuck::cast_slice::<u8, T>(slice.as_bytes()));
    let [weights, x, dy] = [Role::Weights, Role::Input, Role::Gradient].map(of_role);
    let y = match work {
        ConnectWork::Forward(of) => drop_connect::forward(of, weights, x)?,
        ConnectWork::BackwardInput(of) => drop_connect::backward_input(of, weights, dy)?,
        ConnectWork::BackwardWeights(of) => drop_connect::backward_weights(of, x, dy)?,
        ConnectWork::Moments(of) => {
            let [mean, variance] = drop_connect::moments(of, weights, x)?;
            output(pass, Role::OutputVariance)?.copy_from_slice(bytemuck::cast_slice(&variance));
            mean
        }
        ConnectWork::Samples { of, first, count } => {
            let [mean, variance] = [Role::GivenMean, Role::GivenVariance].map(of_role);
            drop_connect::samples(of, mean, variance, *first, *count)?
        }
    };
    output(pass, Role::Output)?.copy_from_slice(bytemuck::cast_slice(&y));
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

/// The elements of a tensor as f32; none where there is no such tensor.
fn widened(pass: &Pass<Slice<'_>>, role: Role, dtype: Dtype) -> Vec<f32> {
    let Some(bytes) = pass.place(role).map(Slice::as_bytes) else { return vec![] };
    match dtype {
        Dtype::F32 => bytemuck::cast_slice(bytes).to_vec(),
        #[cfg(feature = "half")]
        Dtype::F16 => bytemuck::cast_slice(bytes).iter().map(|x: &half::f16| x.widen()).collect(),
        #[cfg(feature = "half")]
        Dtype::Bf16 => bytemuck::cast_slice(bytes).iter().map(|x: &half::bf16| x.widen()).collect(),
        #[cfg(not(feature = "half"))]
        Dtype::F16 | Dtype::Bf16 => unreachable!("without the feature `half` there are no such slices"),
    }
}

/// Stores a result, rounded once.
fn store_f32(pass: &mut Pass<Slice<'_>>, role: Role, dtype: Dtype, values: &[f32]) -> Result<(), Error> {
    fn narrowed<T: Element>(values: &[f32], to: &mut [u8]) {
        for (to, &value) in bytemuck::cast_slice_mut(to).iter_mut().zip(values) {
            *to = T::narrow(value);
        }
    }
    let to = output(pass, role)?;
    match dtype {
        Dtype::F32 => narrowed::<f32>(values, to),
        #[cfg(feature = "half")]
        Dtype::F16 => narrowed::<half::f16>(values, to),
        #[cfg(feature = "half")]
        Dtype::Bf16 => narrowed::<half::bf16>(values, to),
        #[cfg(not(feature = "half"))]
        Dtype::F16 | Dtype::Bf16 => unreachable!("without the feature `half` there are no such slices"),
    }
    Ok(())
}

/// What a tensor holds, of any type.
pub(super) enum Values<'a> {
    F32(&'a [f32]),
    #[cfg(feature = "half")]
    F16(&'a [half::f16]),
    #[cfg(feature = "half")]
    Bf16(&'a [half::bf16]),
}

pub(super) fn values<'a>(pass: &'a Pass<Slice<'_>>, role: Role) -> Values<'a> {
    let Some(slice) = pass.place(role) else { return Values::F32(&[]) };
    match slice.dtype() {
        #[cfg(feature = "half")]
        Dtype::F16 => Values::F16(bytemuck::cast_slice(slice.as_bytes())),
        #[cfg(feature = "half")]
        Dtype::Bf16 => Values::Bf16(bytemuck::cast_slice(slice.as_bytes())),
        // Without the feature `half` there are no others.
        _ => Values::F32(bytemuck::cast_slice(slice.as_bytes())),
    }
}

impl Values<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            #[cfg(feature = "half")]
            Self::F16(values) => values.len(),
            #[cfg(feature = "half")]
            Self::Bf16(values) => values.len(),
        }
    }

    pub(super) fn get(&self, i: usize) -> f64 {
        match self {
            Self::F32(values) => values[i].into(),
            #[cfg(feature = "half")]
            Self::F16(values) => values[i].into(),
            #[cfg(feature = "half")]
            Self::Bf16(values) => values[i].into(),
        }
    }

    pub(super) fn to_vec(&self) -> Result<Vec<f64>, Error> {
        let mut all = reserve(self.len() as u64)?;
        all.extend((0..self.len()).map(|i| self.get(i)));
        Ok(all)
    }
}

/// Where a result goes.
pub(super) fn output<'s>(pass: &'s mut Pass<Slice<'_>>, role: Role) -> Result<&'s mut [u8], Error> {
    let found = pass.tensors.iter_mut().find(|(other, _)| *other == role);
    found.map_or(Ok(&mut [][..]), |(_, slice)| slice.as_bytes_mut())
}
