//! Probabilities and entropies of samples of class logits, in binary64.

use super::{
    dropout::reserve,
    pass::output,
    statistics::{store_all, values},
};
use crate::{
    Error, Pass, Slice,
    role::Role,
    statistics::Weights,
    uncertainty::{UncertaintyStep, UncertaintyWork},
};

/// A pass of [`Uncertainty`](crate::Uncertainty).
pub(super) fn uncertainty(work: &UncertaintyWork, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    let (classes, count) = (work.uncertainty.classes(), work.uncertainty.count());
    let classes = usize::try_from(classes).unwrap_or(usize::MAX);
    if work.step == UncertaintyStep::Finish {
        return finish(classes, pass);
    }
    let mut probability = values(pass, Role::Probability)?;
    let mut entropy = values(pass, Role::Entropy)?;
    match work.step {
        UncertaintyStep::Update { samples } => {
            let logits = values(pass, Role::Input)?;
            let mut row = reserve(classes as u64)?;
            for sample in 0..samples {
                for number in 0..entropy.len() {
                    let first = (sample as usize * entropy.len() + number) * classes;
                    row.clear();
                    row.extend((first..first + classes).map(|i| logits[i]));
                    let p = softmax(&row);
                    merge(count + sample, &p, 1, &mut probability[number * classes..][..classes]);
                    merge(count + sample, &[entropy_of(&p)], 1, &mut entropy[number..=number]);
                }
            }
        }
        UncertaintyStep::Merge { other_count } => {
            merge(count, &values(pass, Role::OtherProbability)?, other_count, &mut probability);
            merge(count, &values(pass, Role::OtherEntropy)?, other_count, &mut entropy);
        }
        UncertaintyStep::Finish => {}
    }
    output(pass, Role::Entropy)?;
    store_all(pass, Role::Probability, &probability)?;
    store_all(pass, Role::Entropy, &entropy)
}

/// Merges the means of `other_count` samples into those of `count`.
fn merge(count: u64, other_mean: &[f64], other_count: u64, mean: &mut [f64]) {
    let weight = Weights::of(count, other_count).new;
    for (mean, &other) in mean.iter_mut().zip(other_mean) {
        if other_count > 0 {
            // What was there before the first sample is nothing.
            *mean = if count == 0 { other } else { *mean + (other - *mean) * weight };
        }
    }
}

fn finish(classes: usize, pass: &mut Pass<Slice<'_>>) -> Result<(), Error> {
    let (probability, expected) = (values(pass, Role::Input)?, values(pass, Role::Other)?);
    let predictive = probability.chunks_exact(classes).map(|p| {
        // Probabilities that were rounded when they were stored do not add up to quite 1.
        let sum: f64 = p.iter().sum();
        entropy_of(&p.iter().map(|p| p / sum).collect::<Vec<_>>())
    });
    let predictive: Vec<_> = predictive.collect();
    let information = predictive.iter().zip(&expected).map(|(predictive, expected)| at_least_0(predictive - expected));
    let information: Vec<_> = information.collect();
    for role in [Role::ExpectedEntropy, Role::MutualInformation] {
        output(pass, role)?;
    }
    store_all(pass, Role::PredictiveEntropy, &predictive)?;
    store_all(pass, Role::ExpectedEntropy, &expected)?;
    store_all(pass, Role::MutualInformation, &information)
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<_> = logits.iter().map(|x| (x - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}

/// In nats.
fn entropy_of(p: &[f64]) -> f64 {
    at_least_0(-p.iter().map(|&p| if p == 0.0 { 0.0 } else { p * p.ln() }).sum::<f64>())
}

/// Unlike `max` it leaves NaN what it is, and makes 0 of −0.
fn at_least_0(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}
