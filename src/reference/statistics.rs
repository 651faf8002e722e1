//! Statistics over Monte Carlo samples, in binary64, and the samples themselves.

use super::{
    dropout::{reserve, run},
    pass::{elements, output, store, widened, write},
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
        let m2 = values(pass, Role::Input)?;
        return store_all(pass, Role::Output, &m2.iter().map(|m2| m2 / count as f64).collect::<Vec<_>>());
    }
    let (mut mean, mut m2) = (values(pass, Role::Mean)?, values(pass, Role::M2)?);
    match work.step {
        StatisticsStep::Update { samples } => {
            let (new_mean, new_m2) = moments(&values(pass, Role::Input)?, mean.len(), samples)?;
            merge_moments(count, [&new_mean, &new_m2], samples, [&mut mean, &mut m2]);
        }
        StatisticsStep::Merge { other_count } => {
            let others = [values(pass, Role::OtherMean)?, values(pass, Role::OtherM2)?];
            merge_moments(count, [&others[0], &others[1]], other_count, [&mut mean, &mut m2]);
        }
        StatisticsStep::Variance => {}
    }
    output(pass, Role::M2)?;
    store_all(pass, Role::Mean, &mean)?;
    store_all(pass, Role::M2, &m2)
}

/// The mean of samples of so many elements, and the sum of squared deviations from it.
fn moments(samples: &[f64], elements: usize, count: u64) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let (mut mean, mut m2): (Vec<f64>, Vec<f64>) = (reserve(elements as u64)?, reserve(elements as u64)?);
    mean.resize(elements, 0.0);
    m2.resize(elements, 0.0);
    // From the first sample on, so that samples that are all the same have that mean exactly.
    for i in 0..samples.len() {
        mean[i % elements] += (samples[i] - samples[i % elements]) / count as f64;
    }
    for (i, mean) in mean.iter_mut().enumerate().filter(|_| count > 0) {
        *mean += samples[i];
    }
    for i in 0..samples.len() {
        m2[i % elements] += (samples[i] - mean[i % elements]).powi(2);
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

/// Numbers in binary64.
pub(super) fn values(pass: &Pass<Slice<'_>>, role: Role) -> Result<Vec<f64>, Error> {
    Ok(widened(pass, role)?.into_iter().map(f64::from).collect())
}

/// Stores what was computed in binary64.
pub(super) fn store_all(pass: &mut Pass<Slice<'_>>, role: Role, values: &[f64]) -> Result<(), Error> {
    store(pass, role, &values.iter().map(|&value| value as f32).collect::<Vec<_>>())
}

/// A pass of [`Samples`](crate::Samples).
pub(super) fn samples<T: Element>(work: &SamplesWork, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    let x: &[T] = elements(pass, Role::Input);
    let mut all: Vec<T> = reserve((x.len() as u64).saturating_mul(work.count()))?;
    for mask in work.masks() {
        let slices = match pass.place(Role::RowIds) {
            None => Slices::new(x),
            Some(_) => Slices::new(x).with_row_ids(elements(pass, Role::RowIds)),
        };
        all.extend(run(Operation::Forward(mask), slices)?);
    }
    write(pass, Role::Output, &all)
}
