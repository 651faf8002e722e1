//! Monte Carlo dropout: the samples tell what a network does not know, and where it errs.

use crate::{
    Axis, Check, Error, Estimate, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
    trained::{Trained, interval},
};

pub const STUDY: Study = Study {
    name: "monte-carlo",
    title: "What a network does not know",
    claim: "Dropout that goes on in prediction makes samples of what the network might have learnt, and where they disagree it does not \
            know: its uncertainty rises as a digit is turned. It finds errors, and costs no accuracy.",
    source: "Gal, Ghahramani, ICML 2016; Houlsby, Huszár, Ghahramani, Lengyel, arXiv 1112.5745, 2011",
    formula: r"I = H\!\left(\tfrac{1}{T} \sum_t p_t\right) - \tfrac{1}{T} \sum_t H(p_t), \qquad
               p_t = \operatorname{softmax} f(x, s_t)",
    measurement: "Networks of two hidden layers of 64 learn from 200 digits each, with dropout (p = 0.1, 0.3, 0.3 before the layers). Samples of \
                  logits for 1,297 other digits stream through the library’s accumulators of uncertainty. AUC is the chance that an error \
                  has a higher mutual information I than a right answer, within a network; its interval is a jackknife over 30 groups of \
                  digits. 100 ones are turned about their middle, linearly between pixels; intervals are over ones, for the mean of this \
                  run’s networks. The single pass without dropout, deterministic, is beside it.",
    fault: "one mask for all samples",
    run,
};

const GROUPS: usize = 30;
const BINS: usize = 10;

/// What networks say of the digits of the test.
struct Tested<'a> {
    networks: usize,
    digits: usize,
    wrong: &'a [f64],
    confidence: &'a [f64],
}

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let trained = Trained::new(lab, "monte-carlo")?;
    let networks = trained.list("networks")?[0] as usize;
    let family = Family::of(7);
    let tested = |name: &str| -> Result<Tested<'_>, Error> {
        let (wrong, confidence) =
            (trained.list(&format!("{name}: wrong"))?, trained.list(&format!("{name}: confidence"))?);
        Ok(Tested { networks, digits: wrong.len() / networks, wrong, confidence })
    };
    let (sampled, single) = (tested("Monte Carlo")?, tested("deterministic")?);
    let information = trained.list("information")?;
    let found = auc(&sampled, information);
    let doubts: Vec<f64> = single.confidence.iter().map(|confidence| 1.0 - confidence).collect();
    let found_by_single = auc(&single, &doubts);

    let angles = trained.list("angles")?;
    let turned = Turned { networks, angles: angles.len() };
    let at = |angle: f64| angles.iter().position(|other| *other == angle).ok_or("the angle was measured");
    let (upright, slanted, lying) = (at(0.0)?, at(30.0)?, at(90.0)?);
    // Where uncertainty is highest varies with the networks: the mean of both is what rises at first.
    let first = [at(15.0)?, slanted];
    let rise = |name: &str, from: &[usize], to: &[usize]| -> Result<Estimate, Error> {
        Ok(turned.difference(trained.list(name)?, from, to))
    };
    let mut checks = vec![
        Check::above("AUC of errors against mutual information", found, 0.8, family),
        Check::above(
            "mutual information, mean of 15° and 30° − upright, nats",
            rise("information, turned", &[upright], &first)?,
            0.0,
            family,
        ),
        Check::above(
            "predictive entropy, mean of 15° and 30° − upright, nats",
            rise("entropy, turned", &[upright], &first)?,
            0.0,
            family,
        ),
        Check::below(
            "mutual information at 90° − at 30°, nats",
            rise("information, turned", &[slanted], &[lying])?,
            0.0,
            family,
        ),
        Check::above(
            "Monte Carlo’s entropy − the single pass’s, at 30°, nats",
            turned.beside(&trained, slanted)?,
            0.0,
            family,
        ),
    ];
    let gain = of_digits(&sampled, |i| single.wrong[i] - sampled.wrong[i]);
    let (low, high) = family.interval(&gain);
    checks.push(Check::at_least(
        "accuracy of Monte Carlo − that of the single pass",
        gain.value,
        -(high - low) / 2.0,
        "no further below 0 than its interval is wide to one side",
    ));
    checks.push(Check::above(
        "accuracy of Monte Carlo − that of the single pass: all of its interval",
        gain,
        -0.03,
        family,
    ));

    let mut table = Table::new(
        "Beside each other",
        &["", "accuracy, %", "mean confidence, %", "calibration error, %", "loss, nats", "AUC of errors", "interval"],
    );
    let mut calibrations = vec![];
    for (name, words, tested, auc) in [
        ("Monte Carlo", "Monte Carlo, by I", &sampled, found),
        ("deterministic", "single pass, by its softmax", &single, found_by_single),
    ] {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let bins = reliability(tested);
        let error = bins.iter().map(|bin| bin.share * (bin.accuracy - bin.confidence).abs()).sum::<f64>();
        calibrations.push(error);
        table.row([
            words.to_owned(),
            digits(100.0 - 100.0 * mean(tested.wrong), 4),
            digits(100.0 * mean(tested.confidence), 3),
            digits(100.0 * error, 2),
            digits(mean(trained.list(&format!("{name}: loss"))?), 3),
            digits(auc.value, 3),
            interval(&auc, family, 1.0),
        ]);
    }
    let of_angle = |name: &str, angle| -> Result<f64, Error> { Ok(turned.mean(trained.list(name)?, angle)) };
    let verdict = format!(
        "Mutual information finds errors with an AUC of {} and rises from {} to {} nats as ones are turned by 30°; at 90° it is {} again, \
         where the network is sure of a wrong class. Accuracy changes by {} points.",
        digits(found.value, 3),
        digits(of_angle("information, turned", upright)?, 2),
        digits(of_angle("information, turned", slanted)?, 2),
        digits(of_angle("information, turned", lying)?, 2),
        digits(100.0 * gain.value, 2),
    );
    let remarks = vec![
        "The claim holds for the first 30°, not for all of the turn: a one that lies is like another digit to these networks, and all \
         samples agree on it, wrongly. Disagreement of samples shows what the network finds ambiguous; it is no guard against what \
         it was never shown."
            .to_owned(),
        format!(
            "Among digits like those that it learnt from, the softmax of the single pass finds errors too, with an AUC of {}. Its \
             calibration error is {} %, that of Monte Carlo {} %: averaging over masks makes probabilities less certain, which is better \
             where the single pass is too certain, and worse where it is not.",
            digits(found_by_single.value, 3),
            digits(100.0 * calibrations[1], 2),
            digits(100.0 * calibrations[0], 2),
        ),
    ];
    let figures = vec![
        rotation(&trained, &turned, angles)?,
        curves(&sampled, information, &single, &doubts)?,
        calibration(&sampled, &single)?,
    ];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks })
}

/// The mean over digits of a number for each network and digit, of which a digit's networks are one measurement.
fn of_digits(tested: &Tested<'_>, value: impl Fn(usize) -> f64) -> Estimate {
    let of_digit = |digit: usize| {
        (0..tested.networks).map(|network| value(network * tested.digits + digit)).sum::<f64>() / tested.networks as f64
    };
    Estimate::mean(&(0..tested.digits).map(of_digit).collect::<Vec<_>>())
}

/// The area under the curve, the mean of networks, with a jackknife over groups of digits.
fn auc(tested: &Tested<'_>, score: &[f64]) -> Estimate {
    let groups: Vec<usize> = (0..GROUPS).collect();
    Estimate::jackknife(&groups, |groups| {
        let mut is_in = [false; GROUPS];
        groups.for_each(|group| is_in[*group] = true);
        let of_network = |network: usize| {
            let digits =
                (0..tested.digits).filter(|digit| is_in[digit % GROUPS]).map(|digit| network * tested.digits + digit);
            area(digits.map(|i| (score[i], tested.wrong[i] == 1.0)).collect())
        };
        (0..tested.networks).map(of_network).sum::<f64>() / tested.networks as f64
    })
}

/// The chance that a wrong one has a higher score than a right one; equal scores count half.
fn area(mut scored: Vec<(f64, bool)>) -> f64 {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut pairs) = (0.0, 0.0);
    for tied in scored.chunk_by(|a, b| a.0 == b.0) {
        let wrong = tied.iter().filter(|(_, wrong)| *wrong).count() as f64;
        let right = tied.len() as f64 - wrong;
        pairs += wrong * (below + right / 2.0);
        below += right;
    }
    pairs / below / (scored.len() as f64 - below)
}

/// Networks × ones × angles.
struct Turned {
    networks: usize,
    angles: usize,
}

impl Turned {
    /// For each one, the mean over networks at an angle.
    fn ones(&self, values: &[f64], angle: usize) -> Vec<f64> {
        let ones = values.len() / self.networks / self.angles;
        let of = |one: usize| {
            let of_networks = (0..self.networks).map(|network| values[(network * ones + one) * self.angles + angle]);
            of_networks.sum::<f64>() / self.networks as f64
        };
        (0..ones).map(of).collect()
    }

    fn mean(&self, values: &[f64], angle: usize) -> f64 {
        Estimate::mean(&self.ones(values, angle)).value
    }

    /// The mean at the second angles less that at the first, of the same one.
    fn difference(&self, values: &[f64], from: &[usize], to: &[usize]) -> Estimate {
        let mean = |angles: &[usize]| -> Vec<f64> {
            let of_angles: Vec<_> = angles.iter().map(|&angle| self.ones(values, angle)).collect();
            let of_one = |one| of_angles.iter().map(|ones| ones[one]).sum::<f64>() / angles.len() as f64;
            (0..of_angles[0].len()).map(of_one).collect()
        };
        crate::trained::difference(&mean(to), &mean(from))
    }

    fn beside(&self, trained: &Trained, angle: usize) -> Result<Estimate, Error> {
        let of = |name: &str| -> Result<Vec<f64>, Error> { Ok(self.ones(trained.list(name)?, angle)) };
        Ok(crate::trained::difference(&of("entropy, turned")?, &of("deterministic: entropy, turned")?))
    }
}

struct Bin {
    share: f64,
    confidence: f64,
    accuracy: f64,
}

fn reliability(tested: &Tested<'_>) -> Vec<Bin> {
    let mut bins = vec![(0.0, 0.0, 0.0); BINS];
    for (confidence, wrong) in tested.confidence.iter().zip(tested.wrong) {
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + 1.0, bin.1 + confidence, bin.2 + 1.0 - wrong);
    }
    let all = tested.wrong.len() as f64;
    let filled = bins.into_iter().filter(|bin| bin.0 > 0.0);
    filled
        .map(|(count, sure, right)| Bin { share: count / all, confidence: sure / count, accuracy: right / count })
        .collect()
}

fn rotation(trained: &Trained, turned: &Turned, angles: &[f64]) -> Result<Figure, Error> {
    let curve = |name: &str| -> Result<Vec<(f64, f64)>, Error> {
        let values = trained.list(name)?;
        Ok(angles.iter().enumerate().map(|(i, angle)| (*angle, turned.mean(values, i))).collect())
    };
    let [predictive, information, single, one] = [
        curve("entropy, turned")?,
        curve("information, turned")?,
        curve("deterministic: entropy, turned")?,
        curve("Monte Carlo: one, turned")?,
    ];
    let highest = predictive.iter().map(|point| point.1).fold(1.0, f64::max);
    let ticks = [0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0].map(|angle| (angle, format!("{angle}°")));
    let mut plot = Plot::new(
        Axis::new("turned by", 0.0, 180.0).with_ticks(ticks),
        Axis::new("nats; probability", 0.0, 1.5 * highest),
    )
    .with_height(380);
    plot.line(one, Tone::Soft, Stroke::Thin);
    plot.line(single, Tone::Second, Stroke::Dashed);
    plot.line(predictive.clone(), Tone::First, Stroke::Solid);
    plot.points(predictive, Tone::First, Mark::Dot);
    plot.line(information.clone(), Tone::Ink, Stroke::Solid);
    plot.points(information, Tone::Ink, Mark::Triangle);
    let y = |line: f64| (1.44 - 0.1 * line) * highest;
    plot.label(30.0, y(0.0), "dots: predictive entropy", Tone::First, Side::Right);
    plot.label(30.0, y(1.0), "triangles: mutual information", Tone::Ink, Side::Right);
    plot.label(30.0, y(2.0), "dashed: entropy of a single pass", Tone::Second, Side::Right);
    plot.label(30.0, y(3.0), "thin: probability of a one", Tone::Soft, Side::Right);
    plot.figure("A hundred ones, turned. Uncertainty rises at first; where a one lies, the samples agree that it is something else.")
}

/// Of the digits, those that are the least certain first: how many errors are among them.
fn curves(sampled: &Tested<'_>, information: &[f64], single: &Tested<'_>, doubts: &[f64]) -> Result<Figure, Error> {
    let axis = |text| Axis::new(text, 0.0, 100.0);
    let mut plot = Plot::new(axis("% of digits, the most uncertain first"), axis("% of errors among them"));
    plot.curve(|x| x, Tone::Soft, Stroke::Thin);
    for (tested, score, tone, stroke) in
        [(sampled, information, Tone::First, Stroke::Solid), (single, doubts, Tone::Second, Stroke::Dashed)]
    {
        let mut order: Vec<usize> = (0..score.len()).collect();
        order.sort_by(|&a, &b| score[b].total_cmp(&score[a]));
        let errors: f64 = tested.wrong.iter().sum();
        let mut found = 0.0;
        let mut line = vec![(0.0, 0.0)];
        for (count, i) in (1..).zip(order) {
            found += tested.wrong[i];
            if count % (score.len() / 100) == 0 {
                line.push((100.0 * count as f64 / score.len() as f64, 100.0 * found / errors));
            }
        }
        plot.line(line, tone, stroke);
    }
    plot.label(48.0, 42.0, "by chance", Tone::Soft, Side::Right);
    plot.label(38.0, 25.0, "solid: mutual information", Tone::First, Side::Right);
    plot.label(38.0, 16.0, "dashed: softmax of one pass", Tone::Second, Side::Right);
    plot.figure("Who looks at the most uncertain digits first finds most of the errors soon.")
}

fn calibration(sampled: &Tested<'_>, single: &Tested<'_>) -> Result<Figure, Error> {
    let axis = |text| Axis::new(text, 0.0, 100.0);
    let mut plot = Plot::new(axis("confidence, %"), axis("accuracy, %"));
    plot.curve(|x| x, Tone::Soft, Stroke::Thin);
    for (tested, tone, mark, stroke) in
        [(sampled, Tone::First, Mark::Dot, Stroke::Solid), (single, Tone::Second, Mark::Ring, Stroke::Dashed)]
    {
        let points: Vec<_> =
            reliability(tested).iter().map(|bin| (100.0 * bin.confidence, 100.0 * bin.accuracy)).collect();
        plot.line(points.clone(), tone, stroke);
        plot.points(points, tone, mark);
    }
    plot.label(3.0, 93.0, "dots: Monte Carlo", Tone::First, Side::Right);
    plot.label(3.0, 84.0, "rings: single pass", Tone::Second, Side::Right);
    plot.label(97.0, 45.0, "thin: calibrated", Tone::Soft, Side::Left);
    plot.figure(
        "How often an answer is right that is given with so much confidence: above the line it is better than it says.",
    )
}
