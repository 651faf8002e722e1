//! DropConnect: inference by moments beside the masks themselves, and its accuracy beside dropout's.

use crate::{
    Axis, Check, Error, Estimate, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
    trained::{Trained, interval},
};

pub const STUDY: Study = Study {
    name: "drop-connect",
    title: "Weights dropped, example by example",
    claim: "DropConnect drops weights instead of units, anew for each example. At inference a unit’s input over all masks is taken for a \
            normal with the same mean and variance, which are known in closed form.",
    source: "Wan, Zeiler, Zhang, LeCun, Fergus, ICML 2013",
    formula: r"\mathbb{E}\,u = Wx, \qquad \operatorname{Var} u_o = \frac{p}{q} \sum_i W_{oi}^2\, x_i^2, \qquad
               u_o = \sum_i \frac{m_{oi}}{q}\, W_{oi}\, x_i",
    measurement: "Networks of 32 hidden units learn from 200 digits each, with masks of the hidden layer’s weights for each example, with \
                  dropout of its units, and with neither, p = 0.5. Of the first network, the library’s moments of the hidden layer are \
                  compared with samples of the library’s DropConnect, for 16 digits and all units; then all networks predict by moments, \
                  with normals before the ReLU, and by the weights alone.",
    fault: "samples of DropConnect without its scale",
    run,
};

/// How much accuracy inference may lose and still be as good.
const MARGIN: f64 = 0.06;

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let trained = Trained::new(lab, "drop-connect")?;
    let list = |name: &str| trained.list(name);
    let (mean, variance, draws) = (list("mean")?, list("variance")?, list("draws")?[0]);
    let (sampled, sampled_variance) = (list("mean of samples")?, list("variance of samples")?);
    let count = mean.len();
    let family = Family::of(count + 2);
    let z: Vec<f64> = (0..count)
        .filter(|&i| variance[i] > 0.0)
        .map(|i| (sampled[i] - mean[i]) / (variance[i] / draws).sqrt())
        .collect();
    let ratio: Vec<f64> =
        (0..count).filter(|&i| variance[i] > 0.0).map(|i| sampled_variance[i] / variance[i]).collect();
    // The units of a digit share no weights, so that their ratios are independent; so are the masks of each digit.
    let mean_ratio = Estimate::mean(&ratio);
    let by_moments = trained.difference("by moments: accuracy", "DropConnect: accuracy")?;
    let checks = vec![
        Check::all_agree(
            format!(
                "mean of {count} inputs of units, from {} masks: largest z",
                crate::number::grouped(draws as usize)
            ),
            &z,
            family,
        ),
        Check::agrees("variance of samples ÷ that of the formula, mean over units", mean_ratio, 1.0, family),
        Check::above("accuracy by moments − by the weights alone", by_moments, -MARGIN, family),
    ];
    let mut table = Table::new(
        "Accuracy on 600 digits, means over networks",
        &["trained with", "inference", "accuracy, %", "interval"],
    );
    for (name, noise, inference) in [
        ("none", "nothing dropped", "the weights"),
        ("dropout", "dropout of units", "the weights"),
        ("DropConnect", "DropConnect", "the weights"),
        ("by moments", "DropConnect", "moments, normals before the ReLU"),
    ] {
        let accuracy = trained.mean(&format!("{name}: accuracy"))?;
        table.row([
            noise.to_owned(),
            inference.into(),
            digits(100.0 * accuracy.value, 3),
            interval(&accuracy, family, 100.0),
        ]);
    }
    let percent = |name: &str| -> Result<String, Error> {
        Ok(digits(100.0 * trained.mean(&format!("{name}: accuracy"))?.value, 3))
    };
    let verdict = format!(
        "The closed form has the mean of {count} units within chance, and their variance to {} %. Accuracy: {} % with DropConnect, {} % by \
         moments, {} % with dropout, {} % with neither.",
        digits(100.0 * (mean_ratio.value - 1.0).abs(), 1),
        percent("DropConnect")?,
        percent("by moments")?,
        percent("dropout")?,
        percent("none")?,
    );
    let remarks = vec![
        "So small a network has no units to spare: with 32 of them and few steps, neither dropout nor DropConnect is better than nothing at \
         all. What is claimed here is the inference, which is exact in its moments."
            .into(),
    ];
    let figures = vec![moments(variance, sampled_variance)?, normality(&z)?];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks })
}

fn moments(variance: &[f64], sampled: &[f64]) -> Result<Figure, Error> {
    let most = variance.iter().chain(sampled).copied().fold(0.0, f64::max) * 1.05;
    let mut plot =
        Plot::new(Axis::new("variance by the formula", 0.0, most), Axis::new("variance over masks", 0.0, most));
    plot.curve(|x| x, Tone::Soft, Stroke::Thin);
    plot.points(variance.iter().copied().zip(sampled.iter().copied()), Tone::First, Mark::Speck);
    plot.label(0.03 * most, 0.93 * most, "thin: equal", Tone::Soft, Side::Right);
    plot.figure(
        "The input of each of 32 units, for 16 digits: its variance over masks of the weights, and the closed form.",
    )
}

/// How far the sampled means are off, in standard errors, beside a normal.
fn normality(z: &[f64]) -> Result<Figure, Error> {
    const BINS: usize = 24;
    let mut bins = [0.0; BINS];
    for z in z {
        bins[(((z + 6.0) * 2.0) as usize).min(BINS - 1)] += 1.0;
    }
    let total: f64 = bins.iter().sum();
    let bins = bins.map(|bin| 200.0 * bin / total);
    let mut plot = Plot::new(
        Axis::new("distance of the mean, standard errors", -6.0, 6.0),
        Axis::new("% for each standard error", 0.0, 60.0),
    );
    plot.bars(
        (0_u32..).zip(bins).map(|(i, share)| (f64::from(i) / 2.0 - 6.0, f64::from(i) / 2.0 - 5.5, share)),
        Tone::Soft,
    );
    plot.curve(|x| 100.0 * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt(), Tone::First, Stroke::Solid);
    plot.label(1.1, 34.0, "by chance alone", Tone::First, Side::Right);
    plot.figure("How far the means over masks are from the closed form: as far as chance takes them.")
}
