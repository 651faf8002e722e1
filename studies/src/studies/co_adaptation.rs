//! With few examples, dropout narrows the gap between training and test, and Gaussian noise does as well.

use crate::{
    Axis, Check, Error, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
    trained::{Trained, difference, equivalent, interval},
};

pub const STUDY: Study = Study {
    name: "co-adaptation",
    title: "Units that cannot rely on each other",
    claim: "With few examples a network learns them by heart, with units that only work together; dropout narrows the gap between \
            training and test. It is the noise that does it, not the zeros: Gaussian noise of the same variance does as well.",
    source: "Hinton et al., arXiv 1207.0580, 2012; Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, JMLR 15, 2014, §7, §10",
    formula: r"\text{gap} = \mathcal{L}_{\text{test}} - \mathcal{L}_{\text{train}}, \qquad
               \tilde{h} = h \odot \epsilon, \quad \epsilon \in \{0, \tfrac{1}{q}\} \ \text{ or } \
               \epsilon \sim \mathcal{N}\!\left(1, \tfrac{p}{q}\right)",
    measurement: "Networks of 64 hidden units learn from 50 digits each, different ones, and are tested on 500 others: without noise, \
                  with dropout (p = 0.5, at the input 0.2), and with Gaussian noise of the same variance; all three from the same \
                  initial weights, so that differences are paired. Gap and losses are mean cross-entropies. At last half of the hidden \
                  units are taken away for good, the rest doubled.",
    fault: "networks “with” noise trained without it",
    run,
};

const NOISES: [(&str, &str); 3] = [("none", "no noise"), ("dropout", "dropout"), ("gaussian", "Gaussian noise")];
/// How far apart two gaps may be and still be as good as each other: the log of their ratio.
const MARGIN: f64 = 0.15;

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let trained = Trained::new(lab, "co-adaptation")?;
    let family = Family::of(5);
    let gaps = |name: &str| -> Result<Vec<f64>, Error> {
        let (test, train) =
            (trained.list(&format!("{name}: test loss"))?, trained.list(&format!("{name}: train loss"))?);
        Ok(test.iter().zip(train).map(|(test, train)| test - train).collect())
    };
    let [none, dropout, gaussian] = [gaps("none")?, gaps("dropout")?, gaps("gaussian")?];
    // Logs, because a network with a wide gap has it narrowed by more.
    let logs = |gaps: &[f64]| gaps.iter().map(|gap| gap.ln()).collect::<Vec<_>>();
    let narrowed = difference(&logs(&none), &logs(&dropout));
    let mut checks = vec![Check::above("log of gap without noise ÷ gap with dropout", narrowed, 0.0, family)];
    let as_well = difference(&logs(&none), &logs(&gaussian));
    checks.push(Check::above("log of gap without noise ÷ gap with Gaussian noise", as_well, 0.0, family));
    let between = difference(&logs(&gaussian), &logs(&dropout));
    checks.extend(equivalent("log of gap with Gaussian noise ÷ gap with dropout", between, MARGIN, family));
    let halved = trained.difference("dropout: half of the units", "none: half of the units")?;
    checks.push(Check::above("accuracy with half of the units, dropout − none", halved, 0.0, family));

    let mut table = Table::new(
        "Means over networks",
        &[
            "noise",
            "train accuracy, %",
            "test accuracy, %",
            "train loss",
            "test loss",
            "gap",
            "accuracy with half of the units, %",
        ],
    );
    for (name, words) in NOISES {
        let of = |what: &str| trained.mean(&format!("{name}: {what}"));
        let gap = of("test loss")?.value - of("train loss")?.value;
        let percent = |what: &str| -> Result<String, Error> { Ok(digits(100.0 * of(what)?.value, 3)) };
        table.row([
            words.to_owned(),
            percent("train accuracy")?,
            percent("test accuracy")?,
            digits(of("train loss")?.value, 3),
            digits(of("test loss")?.value, 3),
            digits(gap, 3),
            percent("half of the units")?,
        ]);
    }
    let accuracy = trained.difference("dropout: test accuracy", "none: test accuracy")?;
    let networks = none.len();
    let remark = format!(
        "In accuracy the effect is small here: dropout is {} points above none on the test digits, {} points with {networks} networks. \
         The loss tells more, because it counts how certain a wrong answer is.",
        digits(100.0 * accuracy.value, 2),
        interval(&accuracy, family, 100.0)
    );
    let verdict = format!(
        "Dropout narrows the gap, of {} nats, by {} %; Gaussian noise’s gap is {} % from dropout’s. With half of the units gone, networks \
         trained with dropout are right in {} % and others in {} %.",
        digits(crate::Estimate::mean(&none).value, 2),
        digits(100.0 * (1.0 - (-narrowed.value).exp()), 2),
        digits(100.0 * (between.value.abs().exp() - 1.0), 1),
        digits(100.0 * trained.mean("dropout: half of the units")?.value, 3),
        digits(100.0 * trained.mean("none: half of the units")?.value, 3),
    );
    let figures = vec![pairs(&none, &dropout, &gaussian)?, halves(&trained, family)?];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks: vec![remark] })
}

/// Each network's gap without noise, and with.
fn pairs(none: &[f64], dropout: &[f64], gaussian: &[f64]) -> Result<Figure, Error> {
    let all = [none, dropout, gaussian].concat();
    // As factors: a few networks have a gap of many times the others'.
    let (low, high) =
        (all.iter().copied().fold(f64::INFINITY, f64::min) / 1.1, all.iter().copied().fold(0.0, f64::max) * 1.1);
    let mut plot =
        Plot::new(Axis::log("gap without noise, nats", low, high), Axis::log("gap with noise, nats", low, high));
    plot.curve(|x| x, Tone::Soft, Stroke::Thin);
    plot.points(none.iter().copied().zip(dropout.iter().copied()), Tone::First, Mark::Dot);
    plot.points(none.iter().copied().zip(gaussian.iter().copied()), Tone::Second, Mark::Cross);
    let at = |part: f64| low * (high / low).powf(part);
    plot.label(at(0.02), at(0.95), "dots: dropout", Tone::First, Side::Right);
    plot.label(at(0.02), at(0.86), "crosses: Gaussian noise", Tone::Second, Side::Right);
    plot.label(at(0.02), at(0.77), "thin: as without", Tone::Soft, Side::Right);
    plot.figure("A point for each network and noise: below the line, the gap between training and test is narrower than without.")
}

/// Accuracy of all and of half of the units.
fn halves(trained: &Trained, family: Family) -> Result<Figure, Error> {
    let ticks = NOISES.iter().zip(0_u32..).map(|((_, words), x)| (f64::from(x), *words));
    let mut plot =
        Plot::new(Axis::new("trained with", -0.5, 2.6).with_ticks(ticks), Axis::new("test accuracy, %", 40.0, 100.0));
    for (x, (name, _)) in (0_u32..).zip(NOISES) {
        let all = trained.mean(&format!("{name}: test accuracy"))?.scaled(100.0);
        let half = trained.mean(&format!("{name}: half of the units"))?.scaled(100.0);
        for (shift, estimate, tone, mark) in
            [(-0.08, all, Tone::First, Mark::Dot), (0.08, half, Tone::Second, Mark::Ring)]
        {
            let x = f64::from(x) + shift;
            let (low, high) = family.interval(&estimate);
            plot.intervals([(x, low, high)], tone);
            plot.points([(x, estimate.value)], tone, mark);
        }
    }
    plot.label(-0.4, 97.0, "dots: all units", Tone::First, Side::Right);
    plot.label(-0.4, 91.5, "rings: half of them", Tone::Second, Side::Right);
    plot.figure("What is left when half of the hidden units are taken away: units of a network without noise rely on each other.")
}
