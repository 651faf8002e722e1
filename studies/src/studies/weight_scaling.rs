//! The scaled network stands for the mean over masks: exactly without a ReLU behind the mask, less and less with more of them.

use crate::{
    Axis, Check, Error, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
    trained::{Trained, difference, interval},
};

pub const STUDY: Study = Study {
    name: "weight-scaling",
    title: "Where scaled weights are an approximation",
    claim: "For one softmax layer the network with scaled weights is the geometric mean of all sub-networks. With hidden layers of ReLU \
            it is an approximation, and the gap grows with every layer.",
    source: "Srivastava et al., JMLR 15, 2014, §4, §7.5; Warde-Farley, Goodfellow, Courville, Bengio, ICLR 2014",
    formula: r"\operatorname{softmax}\!\left(\mathbb{E}_s\, f(x, s)\right) \;\overset{?}{=}\; \operatorname{softmax} f\!\left(x,
               \mathbb{E}\,s\right), \qquad
               \text{missed} = \frac{\mathbb{E}\,\lVert \mathbb{E}_s f(x, s) - f(x, \mathbb{E} s)\rVert^2}
                                    {\mathbb{E}\,\lVert \mathbb{E}_s f(x, s)\rVert^2}",
    measurement: "Networks with 0 to 3 hidden layers of 32 ReLUs are trained on 400 digits with dropout before every layer, p = 0.4. The \
                  normalised geometric mean of softmax outputs is the softmax of the mean logits, so logits are averaged over masks, in \
                  two independent halves: the product of their errors has no bias from the number of samples. Logits are without their \
                  mean over classes.",
    fault: "an evaluation that scales again, as for dropout that does not scale in training",
    run,
};

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let trained = Trained::new(lab, "weight-scaling")?;
    let family = Family::of(5);
    let share = |depth: usize| trained.mean(&format!("{depth}: share"));
    let mut checks = vec![
        Check::agrees("share missed, no hidden layer", share(0)?, 0.0, family),
        Check::agrees(
            "share missed, 3 hidden layers, dropout behind the last ReLU alone",
            trained.mean("last: share")?,
            0.0,
            family,
        ),
    ];
    checks.push(Check::above("share missed, 1 hidden", share(1)?, 0.0, family));
    // From there on as a factor: some networks miss many times what others do, and their logs have no such tail.
    let log = |depth: usize| -> Result<Vec<f64>, Error> {
        Ok(trained.list(&format!("{depth}: share"))?.iter().map(|share| share.ln()).collect())
    };
    for depth in 2..=3 {
        let grown = difference(&log(depth)?, &log(depth - 1)?);
        let what = format!("log of share missed, {depth} hidden ÷ {} hidden", depth - 1);
        checks.push(Check::above(what, grown, 0.0, family));
    }
    let mut table = Table::new(
        "Means over networks",
        &[
            "hidden layers",
            "missed, %",
            "interval",
            "distance of probabilities, %",
            "accuracy of the scaled network, %",
        ],
    );
    for depth in 0..=3 {
        table.row([
            depth.to_string(),
            digits(100.0 * share(depth)?.value, 2),
            interval(&share(depth)?, family, 100.0),
            digits(100.0 * trained.mean(&format!("{depth}: distance"))?.value, 2),
            digits(100.0 * trained.mean(&format!("{depth}: accuracy"))?.value, 3),
        ]);
    }
    let percent = |depth| -> Result<String, Error> { Ok(digits(100.0 * share(depth)?.value, 2)) };
    let verdict = format!(
        "Of the square of the ensemble’s logits the scaled network misses {} % without a hidden layer, and {}, {}, {} % with 1, 2, 3.",
        percent(0)?,
        percent(1)?,
        percent(2)?,
        percent(3)?,
    );
    let remarks = vec![
        "What counts is not the depth, but the ReLUs between a mask and the output: with three hidden layers and dropout behind the last \
         ReLU alone, the mean logits are those of the scaled network again."
            .into(),
        "The distance of probabilities is half the sum of absolute differences over classes; it has the error of a finite number of \
         masks in it, also without a hidden layer."
            .into(),
    ];
    Ok(Findings { verdict, checks, tables: vec![table], figures: vec![curve(&trained, family)?], remarks })
}

fn curve(trained: &Trained, family: Family) -> Result<Figure, Error> {
    let percent = |name: &str| -> Result<_, Error> { Ok(trained.mean(name)?.scaled(100.0)) };
    let estimates = (0..=3).map(|depth| percent(&format!("{depth}: share"))).collect::<Result<Vec<_>, _>>()?;
    let highest = estimates.iter().map(|estimate| family.interval(estimate).1).fold(0.0, f64::max);
    let lowest = estimates.iter().map(|estimate| family.interval(estimate).0).fold(0.0, f64::min);
    let ticks = (0..=3).map(|depth| (f64::from(depth), depth.to_string()));
    let mut plot = Plot::new(
        Axis::new("hidden layers of ReLU", -0.3, 3.4).with_ticks(ticks),
        Axis::new("missed, % of the square", lowest.min(-0.05 * highest), 1.1 * highest),
    );
    plot.level(0.0, Tone::Soft, Stroke::Thin);
    let points: Vec<_> =
        (0_u32..).zip(&estimates).map(|(depth, estimate)| (f64::from(depth), estimate.value)).collect();
    plot.line(points.clone(), Tone::First, Stroke::Solid);
    let intervals = points.iter().zip(&estimates).map(|((x, _), estimate)| {
        let (low, high) = family.interval(estimate);
        (*x, low, high)
    });
    plot.intervals(intervals, Tone::Ink);
    plot.points(points.clone(), Tone::Ink, Mark::Dot);
    let last = percent("last: share")?;
    let (low, high) = family.interval(&last);
    plot.intervals([(3.0, low, high)], Tone::Second);
    plot.points([(3.0, last.value)], Tone::Second, Mark::Ring);
    plot.label(-0.25, 0.3 * highest, "one softmax layer: exact", Tone::First, Side::Right);
    plot.label(-0.25, highest, "ring: dropout behind the last ReLU alone", Tone::Second, Side::Right);
    plot.figure("How much of the ensemble’s logits the scaled network misses, with intervals.")
}
