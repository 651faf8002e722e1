//! Statistics over Monte Carlo samples, in binary64, and the samples themselves.

use super::{
    dropout::{reserve, run},
    pass::{Values, output, values},
};
use crate::{
    Element, Error, Operation, Pass, Slice, Slices,
    role::Role,
    samples::SamplesWork,
    statistics::{StatisticsStep, StatisticsWork, Weights},
};

/// A pass of [`Statistics`](crate::Statistics).
pub(super) fn statistics(work: &StatisticsWork, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    work.check()?;
    let count = work.statistics.count();
    if let StatisticsStep::Variance = work.step {
        let m2 = values(pass, Role::Input).to_vec()?;
        return store(pass, Role::Output, m2.iter().map(|m2| m2 / count as f64));
    }
    let (mut mean, mut m2) = (values(pass, Role::Mean).to_vec()?, values(pass, Role::M2).to_vec()?);
    match work.step {
        StatisticsStep::Update { samples } => {
            let (new_mean, new_m2) = moments(&values(pass, Role::Input), mean.len(), samples)?;
            merge_moments(count, [&new_mean, &new_m2], samples, [&mut mean, &mut m2]);
        }
        StatisticsStep::Merge { other_count } => {
            let others = [values(pass, Role::OtherMean).to_vec()?, values(pass, Role::OtherM2).to_vec()?];
            merge_moments(count, [&others[0], &others[1]], other_count, [&mut mean, &mut m2]);
        }
        StatisticsStep::Variance => {}
    }
    output(pass, Role::M2)?;
    store(pass, Role::Mean, mean.into_iter())?;
    store(pass, Role::M2, m2.into_iter())
}

/// The mean of samples of so many elements, and the sum of squared deviations from it.
fn moments(samples: &Values<'_>, elements: usize, count: u64) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let (mut mean, mut m2): (Vec<f64>, Vec<f64>) = (reserve(elements as u64)?, reserve(elements as u64)?);
    mean.resize(elements, 0.0);
    m2.resize(elements, 0.0);
    // From the first sample on, so that samples that are all the same have that mean exactly.
    for i in 0..samples.len() {
        mean[i % elements] += (samples.get(i) - samples.get(i % elements)) / count as f64;
    }
    for (i, mean) in mean.iter_mut().enumerate().filter(|_| count > 0) {
        *mean += samples.get(i);
    }
    for i in 0..samples.len() {
        m2[i % elements] += (samples.get(i) - mean[i % elements]).powi(2);
    }
    Ok((mean, m2))
}

/// Adds the mean and the squared deviations of other samples to those of `count`.
fn merge_moments(count: u64, others: [&[f64]; 2], other_count: u64, [mean, m2]: [&mut [f64]; 2]) {
    let [other_mean, other_m2] = others;
    let weights = Weights::of(count, other_count);
    for i in 0..mean.len() {
        if other_count > 0 && count == 0 {
            // What was there is nothing.
            (mean[i], m2[i]) = (other_mean[i], other_m2[i]);
        } else if other_count > 0 {
            let delta = other_mean[i] - mean[i];
            mean[i] += delta * weights.new;
            m2[i] += other_m2[i] + delta * delta * weights.distance;
        }
    }
}

/// Writes f32 elements.
pub(super) fn store(pass: &mut Pass<Slice<'_>>, role: Role, values: impl Iterator<Item = f64>) -> Result<(), Error> {
    let elements: &mut [f32] = bytemuck::cast_slice_mut(output(pass, role)?);
    for (element, value) in elements.iter_mut().zip(values) {
        *element = value as f32;
    }
    Ok(())
}

/// A pass of [`Samples`](crate::Samples).
pub(super) fn samples<T: Element>(work: &SamplesWork, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    let bytes = |role| pass.place(role).map(Slice::as_bytes);
    let x: &[T] = bytemuck::cast_slice(bytes(Role::Input).unwrap_or_default());
    let mut all: Vec<T> = reserve((x.len() as u64).saturating_mul(work.count()))?;
    for mask in work.masks() {
        let slices = match bytes(Role::RowIds) {
            None => Slices::new(x),
            Some(ids) => Slices::new(x).with_row_ids(bytemuck::cast_slice(ids)),
        };
        all.extend(run(Operation::Forward(mask), slices)?);
    }
    output(pass, Role::Output)?.copy_from_slice(bytemuck::cast_slice(&all));
    Ok(())
}
