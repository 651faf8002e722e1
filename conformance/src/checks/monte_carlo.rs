//! Monte Carlo samples, statistics over them, and uncertainty.

use half::{bf16, f16};
use wgpu_dropout::{Context, Dropout, Element, Generator, Kind, Samples, Statistics, Uncertainty, reference};

use super::{
    family::contexts,
    passes::{compare_bits, compare_near, numbers, of_type_in_turn},
};
use crate::{Outcome, Subject, Suite, cases::KEY, outcome::Stop};

/// The first and the last samples of a key, of every kind.
pub async fn samples(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (number, context) in contexts(subject).into_iter().chain([subject.tiny()]).enumerate() {
        for (turn, &kind) in (number..).zip(Kind::ALL) {
            let generator = Generator::ALL[turn % Generator::ALL.len()];
            let mask = Dropout::of_kind(kind, 0.3)?.with_generator(generator).mask(KEY).at([0, 5][turn / 2 % 2]);
            for samples in [Samples::new(mask, 0, 3)?, Samples::new(mask, 65_534, 2)?] {
                of_type_in_turn!(turn, draw(context, outcome, samples))?;
                outcome.go_on()?;
            }
        }
    }
    Ok(())
}

async fn draw<T: Element>(context: &Context, outcome: &mut Outcome, samples: Samples) -> Result<(), Stop> {
    let x: Vec<T> = numbers(1000, 1);
    let mut y = vec![T::narrow(0.0); x.len() * samples.count() as usize];
    context.run_pass(samples.forward(&x, &mut y)).await?;
    for (sample, y) in (samples.first()..=u16::MAX).zip(y.chunks(x.len())) {
        // One after the other, each by its own key.
        let mask = samples.mask().with_key(KEY.with_sample(sample));
        let expected = reference::forward(&mask, &x)?;
        compare_bits(outcome, &format!("sample {sample} of {}, {}", mask.kind(), T::DTYPE), &expected, y);
    }
    Ok(())
}

/// Added in two parts, merged with a third, and all of them beside binary64.
pub async fn statistics(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (turn, context) in contexts(subject).into_iter().chain([subject.tiny()]).enumerate() {
        of_type_in_turn!(turn, accumulate(context, outcome, 301))?;
        outcome.go_on()?;
        // An invocation takes 4 elements of these, or 16, by a kernel for each type.
        for turn in 0..3 {
            of_type_in_turn!(turn, accumulate(context, outcome, 304))?;
            outcome.go_on()?;
        }
    }
    Ok(())
}

async fn accumulate<T: Element>(context: &Context, outcome: &mut Outcome, elements: usize) -> Result<(), Stop> {
    // 30 samples, whose mean is not 0.
    let samples: Vec<T> = numbers::<f32>(30 * elements, 2).into_iter().map(|x| T::narrow(x + 100.0)).collect();
    let parts = [&samples[..13 * elements], &samples[13 * elements..20 * elements], &samples[20 * elements..]];
    let none = Statistics::new(elements as u64);
    // What is there before the first does not matter.
    let (mut mean, mut m2) = (vec![f32::NAN; elements], vec![f32::NAN; elements]);
    let (mut other_mean, mut other_m2, mut variance) = (mean.clone(), mean.clone(), mean.clone());
    context.run_pass(none.update(parts[0], &mut mean, &mut m2)).await?;
    context.run_pass(none.with_count(13).update(parts[1], &mut mean, &mut m2)).await?;
    context.run_pass(none.update(parts[2], &mut other_mean, &mut other_m2)).await?;
    let merge = none.with_count(20).merge(&other_mean, &other_m2, 10, &mut mean, &mut m2);
    context.run_pass(merge).await?;
    context.run_pass(none.with_count(30).variance(&m2, &mut variance)).await?;

    let (mut exact_mean, mut exact_m2, mut exact_variance) = (mean.clone(), mean.clone(), mean.clone());
    reference::run_pass(none.update(&samples, &mut exact_mean, &mut exact_m2))?;
    reference::run_pass(none.with_count(30).variance(&exact_m2, &mut exact_variance))?;
    let moments = |i: usize| (f64::from(exact_mean[i].abs()), f64::from(exact_variance[i]));
    // Four passes that round a mean, and the reference's own rounding.
    let rounding = 0.5_f64.powi(24);
    compare_near(outcome, &format!("mean, {}", T::DTYPE), &exact_mean, &mean, |i| {
        let (mean, variance) = moments(i);
        1e-6 * variance.sqrt() + 5.0 * rounding * mean
    });
    compare_near(outcome, &format!("variance, {}", T::DTYPE), &exact_variance, &variance, |i| {
        let (mean, variance) = moments(i);
        1e-5 * variance + 3.0 * (4.0 * rounding) * mean * variance.sqrt()
    });
    Ok(())
}

/// Few classes, odd and even, and many, added, merged and finished.
pub async fn uncertainty(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (number, context) in contexts(subject).into_iter().chain([subject.tiny()]).enumerate() {
        for (turn, classes) in (number..).zip([7, 40]) {
            of_type_in_turn!(turn, classify(context, outcome, classes))?;
            outcome.go_on()?;
        }
        // A processor takes two rows of these at a time, by a kernel for each type.
        for turn in 0..3 {
            of_type_in_turn!(turn, classify(context, outcome, 12))?;
            outcome.go_on()?;
        }
    }
    Ok(())
}

/// Even, for the rows that are taken two at a time.
const ROWS: usize = 10;

async fn classify<T: Element>(context: &Context, outcome: &mut Outcome, classes: usize) -> Result<(), Stop> {
    let of = Uncertainty::new(ROWS as u64, classes as u64)?;
    let logits: Vec<T> = numbers(6 * ROWS * classes, 3);
    let (first, second) = logits.split_at(4 * ROWS * classes);
    let (mut probability, mut entropy) = (vec![f32::NAN; ROWS * classes], vec![f32::NAN; ROWS]);
    let (mut other_probability, mut other_entropy) = (probability.clone(), entropy.clone());
    context.run_pass(of.update(first, &mut probability, &mut entropy)).await?;
    context.run_pass(of.update(second, &mut other_probability, &mut other_entropy)).await?;
    let merge = of.with_count(4).merge(&other_probability, &other_entropy, 2, &mut probability, &mut entropy);
    context.run_pass(merge).await?;
    let mut entropies = [const { [f32::NAN; ROWS] }; 3];
    let [predictive, expected, information] = &mut entropies;
    let finish = of.finish(&probability, &entropy, &mut predictive[..], &mut expected[..], &mut information[..]);
    context.run_pass(finish).await?;

    let (mut exact_probability, mut exact_entropy) = (probability.clone(), entropy.clone());
    reference::run_pass(of.update(&logits, &mut exact_probability, &mut exact_entropy))?;
    let mut exact = entropies;
    let [predictive, expected, information] = &mut exact;
    let (probabilities, means) = (&exact_probability, &exact_entropy);
    let finish = of.finish(probabilities, means, &mut predictive[..], &mut expected[..], &mut information[..]);
    reference::run_pass(finish)?;
    let what = format!("{classes} classes, {}", T::DTYPE);
    compare_near(outcome, &format!("probability, {what}"), &exact_probability, &probability, |i| {
        2e-6 * f64::from(exact_probability[i]) + 1e-7
    });
    for (name, (exact, actual)) in
        ["predictive entropy", "expected entropy", "mutual information"].iter().zip(exact.iter().zip(&entropies))
    {
        compare_near(outcome, &format!("{name}, {what}"), exact, actual, |_| 1e-5);
    }
    Ok(())
}
