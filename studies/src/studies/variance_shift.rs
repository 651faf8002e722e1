//! Batch normalisation after dropout expects in evaluation the variance of training, and gets less.

use wgpu_dropout::{Activation, Dropout, Fused};

use crate::{
    Axis, Check, Error, Estimate, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
};

pub const STUDY: Study = Study {
    name: "variance-shift",
    title: "Batch normalisation after dropout sees another variance in evaluation",
    claim: "Dropout keeps the mean from training to evaluation, but not the variance: in evaluation it is smaller. Batch \
            normalisation, which learns its variance in training, then divides by a number that is too large.",
    source: "Li, Chen, Hu, Yang, CVPR 2019",
    formula: r"\frac{\operatorname{Var}_{\text{evaluation}}}{\operatorname{Var}_{\text{training}}} =
               \frac{v}{(c^2 + v)/q - c^2}, \qquad c = \mathbb{E}\,x,\; v = \operatorname{Var} x",
    measurement: "Standard normals go through relu and dropout in one pass on the GPU; the variance without dropout is divided by that \
                  with it. There are no weights, so the formula has no free number: for relu c = 1/√(2π) and c² + v = 1/2. Then the \
                  same for each pixel of the digits, with its own c and v.",
    fault: "the formula without the mean, as if what is dropped had c = 0",
    run,
};

const RATES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// What the formula gives for relu of normals, rounded.
const PRINTED: [(f64, f64); 3] = [(0.1, 0.860), (0.3, 0.614), (0.5, 0.405)];
const PARTS: usize = 32;

fn ratio(mean: f64, variance: f64, p: f64) -> f64 {
    variance / ((mean * mean + variance) / (1.0 - p) - mean * mean)
}

/// Sums over a part: of x and of its square without dropout, and with it.
struct Sums {
    plain: [f64; 2],
    dropped: [f64; 2],
    count: f64,
}

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let c = 1.0 / (2.0 * std::f64::consts::PI).sqrt();
    let mean = if lab.fault { 0.0 } else { c };
    let variance = 0.5 - c * c;
    let pixels = pixels(lab)?;
    let family = Family::of(RATES.len() + pixels.len());
    let mut table = Table::new("Relu of normals", &["p", "ratio of variances", "formula", "interval"]);
    let mut measured = vec![];
    for (number, &p) in RATES.iter().enumerate() {
        let estimate = of_normals(lab, p, number as u16)?;
        let theory = ratio(mean, variance, p);
        let (low, high) = family.interval(&estimate);
        let interval = format!("{} to {}", digits(low, 4), digits(high, 4));
        table.row([digits(p, 1), digits(estimate.value, 4), digits(theory, 4), interval]);
        measured.push((p, estimate, theory));
        lab.progress(number + 1, RATES.len());
    }
    let mut checks = vec![];
    for &(p, estimate, theory) in &measured {
        checks.push(Check::agrees(
            format!("evaluation ÷ training, relu of normals, p = {p}"),
            estimate,
            theory,
            family,
        ));
        if let Some((_, printed)) = PRINTED.iter().find(|(rate, _)| *rate == p) {
            checks.push(Check::near(
                format!("the formula at p = {p}, to three digits"),
                theory,
                *printed,
                5e-4,
                "rounding",
            ));
        }
    }
    let pairs: Vec<_> = pixels.iter().map(|pixel| (pixel.inverse, 1.0 / pixel.theory(lab.fault))).collect();
    let what = format!("training ÷ evaluation, {} pixels of the digits, p = 0.5: the largest distance", pixels.len());
    checks.push(Check::each_agrees(what, &pairs, family));
    let shown: Vec<String> = measured
        .iter()
        .filter(|(p, ..)| PRINTED.iter().any(|(rate, _)| rate == p))
        .map(|(_, estimate, _)| digits(estimate.value, 3))
        .collect();
    let verdict =
        format!("The variance falls to {} of what it was in training at p = 0.1, 0.3 and 0.5.", shown.join(", "));
    let figures = vec![curve(&measured, family, c, variance)?, scatter(&pixels, family)?];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks: vec![REMARK.into()] })
}

const REMARK: &str = "A mean of 0 does not help: with c = 0 the ratio is q, closer to 1 than relu’s at the same p, and still not 1. \
                      Dropout after the last batch normalisation, or the variance measured again with dropout off, does.";

fn of_normals(lab: &Lab<'_>, p: f64, layer: u16) -> Result<Estimate, Error> {
    let columns = lab.size(1 << 18, 1 << 15);
    let mut parts = vec![];
    for part in 0..PARTS {
        let key = lab.key(layer).with_step(part as u32);
        let x: Vec<f32> = lab.normals(key, columns)?.iter().map(|&x| x as f32).collect();
        let relu = |dropout: Dropout| -> Result<[f64; 2], Error> {
            // Noise and mask may have one key: they are drawn from different domains.
            let fused = Fused::new(dropout.mask(key), columns as u64)?.with_activation(Activation::Relu);
            let mut y = vec![0.0_f32; columns];
            lab.context.run_pass_blocking(fused.forward(&x[..], &mut y[..]))?;
            Ok([1, 2].map(|power| y.iter().map(|&y| f64::from(y).powi(power)).sum()))
        };
        let dropout = Dropout::new(p)?;
        let (plain, dropped) = (relu(dropout.with_training(false))?, relu(dropout)?);
        parts.push(Sums { plain, dropped, count: columns as f64 });
    }
    Ok(Estimate::jackknife(&parts, |parts| {
        let mut total = Sums { plain: [0.0; 2], dropped: [0.0; 2], count: 0.0 };
        for part in parts {
            for power in 0..2 {
                total.plain[power] += part.plain[power];
                total.dropped[power] += part.dropped[power];
            }
            total.count += part.count;
        }
        let variance = |[first, second]: [f64; 2]| second / total.count - (first / total.count).powi(2);
        variance(total.plain) / variance(total.dropped)
    }))
}

/// A pixel over all digits.
struct Pixel {
    mean: f64,
    variance: f64,
    /// The variance in training over that in evaluation.
    inverse: Estimate,
}

impl Pixel {
    fn theory(&self, fault: bool) -> f64 {
        ratio(if fault { 0.0 } else { self.mean }, self.variance, 0.5)
    }
}

/// The pixels that are not blank in every digit.
fn pixels(lab: &Lab<'_>) -> Result<Vec<Pixel>, Error> {
    const PIXELS: usize = 64;
    let samples = lab.size(64, 16);
    let rows = lab.data.digits.rows();
    let n = (rows.len() / PIXELS) as f64;
    // Second moments of each part and pixel; the mean is the data's own.
    let mut parts = vec![];
    for part in 0..PARTS {
        let moments = lab.moments(Dropout::new(0.5)?.mask(lab.key(100).with_step(part as u32)), &rows, samples)?;
        let mut second = [0.0; PIXELS];
        for (i, (&mean, &variance)) in moments.mean.iter().zip(&moments.variance).enumerate() {
            second[i % PIXELS] += (f64::from(variance) + f64::from(mean).powi(2)) / n;
        }
        parts.push(second);
    }
    let pixels = (0..PIXELS).filter_map(|pixel| {
        let column = lab.data.digits.x.column(pixel);
        let (mean, variance) = (column.mean(), column.variance());
        let inverse: Vec<f64> = parts.iter().map(|second| (second[pixel] - mean * mean) / variance).collect();
        (variance > 0.0).then(|| Pixel { mean, variance, inverse: Estimate::mean(&inverse) })
    });
    Ok(pixels.collect())
}

fn curve(measured: &[(f64, Estimate, f64)], family: Family, mean: f64, variance: f64) -> Result<Figure, Error> {
    let mut plot =
        Plot::new(Axis::new("drop probability p", -0.12, 1.0), Axis::new("variance, evaluation ÷ training", 0.0, 1.05));
    let rates = || (0..=100).map(|i| f64::from(i) / 100.0);
    plot.line(rates().map(|p| (p, 1.0 - p)), Tone::Soft, Stroke::Dashed);
    plot.line(rates().map(|p| (p, ratio(mean, variance, p))), Tone::First, Stroke::Solid);
    plot.intervals(
        measured.iter().map(|(p, estimate, _)| {
            let (low, high) = family.interval(estimate);
            (*p, low, high)
        }),
        Tone::Ink,
    );
    plot.points(measured.iter().map(|(p, estimate, _)| (*p, estimate.value)), Tone::Ink, Mark::Dot);
    for (p, printed) in PRINTED {
        plot.label(p, printed, format!("{printed:.3}"), Tone::Ink, Side::Left);
    }
    plot.label(0.58, 0.46, "c = 0: ratio q", Tone::Soft, Side::Right);
    plot.label(0.46, 0.2, "relu of normals", Tone::First, Side::Left);
    plot.figure("Formula (line) and measurement (dots, with intervals that are smaller).")
}

fn scatter(pixels: &[Pixel], family: Family) -> Result<Figure, Error> {
    let axis = |text| Axis::new(text, 0.0, 0.65);
    let mut plot = Plot::new(axis("formula"), axis("variance, evaluation ÷ training"));
    plot.curve(|x| x, Tone::Soft, Stroke::Thin);
    plot.intervals(
        pixels.iter().map(|pixel| {
            let (low, high) = family.interval(&pixel.inverse);
            (pixel.theory(false), 1.0 / high, 1.0 / low)
        }),
        Tone::Soft,
    );
    plot.points(pixels.iter().map(|pixel| (pixel.theory(false), 1.0 / pixel.inverse.value)), Tone::First, Mark::Dot);
    plot.upright(0.5, Tone::Soft, Stroke::Dashed);
    plot.label(0.5, 0.06, "c = 0", Tone::Soft, Side::Left);
    plot.label(0.2, 0.13, "bright, steady pixels", Tone::First, Side::Right);
    plot.figure("Pixels of the digits at p = 0.5: the larger the mean beside the spread, the larger the shift.")
}
