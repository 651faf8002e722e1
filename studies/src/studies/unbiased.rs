//! Inverted dropout leaves the mean alone and adds a known variance, and no gradient reaches what was dropped.

use statrs::distribution::{ContinuousCDF, Normal};
use wgpu_dropout::{Activation, Dropout, Fused, Kind};

use crate::{
    Axis, Check, Error, Family, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, data, digits,
    number::grouped,
};

pub const STUDY: Study = Study {
    name: "unbiased",
    title: "Dropout is unbiased",
    claim: "Inverted dropout leaves the mean of every element as it is and adds the variance x²·p/q. Backward, the gradient \
            passes exactly where forward kept, and the weights of a dropped unit do not move in that step.",
    source: "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, JMLR 15, 2014",
    formula: r"\mathbb{E}[y] = x, \qquad \operatorname{Var}[y] = x^2\,\frac{p}{q}",
    measurement: "All 1,797 digits go through dropout at nine rates, under masks of which the device keeps only mean and \
                  variance. For each pixel that is not blank in every digit, both are compared with theory, in standard errors. \
                  Then one training step of a hidden layer with relu and one mask for the whole batch: which weights get a \
                  gradient?",
    fault: "the scale left out: standard dropout in the place of inverted",
    run,
};

const RATES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const PIXELS: usize = 64;

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let x = lab.data.digits.rows();
    let samples = lab.size(512, 128);
    let kind = if lab.fault { Kind::Standard } else { Kind::Inverted };
    let mut z_mean = vec![];
    let mut z_variance = vec![];
    let mut table = Table::new("Each rate", &["p", "variance ÷ x²", "p/q", "largest |z| of means", "of variances"]);
    let mut variances = vec![];
    let mut exact = 0.0_f64;
    let mut blank = 0.0_f32;
    for (number, &p) in RATES.iter().enumerate() {
        let q = 1.0 - p;
        let mask = Dropout::of_kind(kind, p)?.mask(lab.key(number as u16));
        let moments = lab.moments(mask, &x, samples)?;
        // Sums over digits and samples, for each pixel.
        let [mut error, mut square, mut second, mut fourth] = [[0.0_f64; PIXELS]; 4];
        for (i, &x) in x.iter().enumerate() {
            let pixel = i % PIXELS;
            let (off, variance) = (f64::from(moments.mean[i] - x), f64::from(moments.variance[i]));
            let x = f64::from(x);
            error[pixel] += off * samples as f64;
            second[pixel] += (variance + off * off) * samples as f64;
            square[pixel] += x * x * samples as f64;
            fourth[pixel] += x.powi(4) * samples as f64;
            if x == 0.0 {
                blank = blank.max(moments.mean[i].abs());
            }
        }
        // y − x = x·(s/q − 1), s being 1 with probability q.
        let factor = p / q;
        let spread = p.powi(4) / q.powi(3) + p - factor * factor;
        let shown = (0..PIXELS).filter(|&pixel| square[pixel] > 0.0);
        let mean: Vec<f64> = shown.clone().map(|pixel| error[pixel] / (square[pixel] * factor).sqrt()).collect();
        let off = |pixel: usize| second[pixel] - square[pixel] * factor;
        let variance: Vec<f64> = if p == 0.5 {
            // s/q − 1 is 1 or −1: its square does not vary.
            exact = shown.map(|pixel| (off(pixel) / square[pixel]).abs()).fold(exact, f64::max);
            vec![]
        } else {
            shown.map(|pixel| off(pixel) / (fourth[pixel] * spread).sqrt()).collect()
        };
        let measured = second.iter().sum::<f64>() / square.iter().sum::<f64>();
        let deviation = (fourth.iter().sum::<f64>() * spread.max(0.0)).sqrt() / square.iter().sum::<f64>();
        variances.push((p, measured, deviation));
        let worst = |z: &[f64]| if z.is_empty() { "exact".into() } else { digits(largest(z), 3) };
        table.row([digits(p, 1), digits(measured, 5), digits(factor, 5), worst(&mean), worst(&variance)]);
        z_mean.extend(mean);
        z_variance.extend(variance);
        lab.progress(number + 1, RATES.len());
    }

    let family = Family::of(z_mean.len() + z_variance.len());
    let gradients = gradients(lab, kind)?;
    let checks = vec![
        Check::all_agree("means of pixels: the largest distance, in standard errors", &z_mean, family),
        Check::all_agree("variances of pixels: the largest distance, in standard errors", &z_variance, family),
        Check::at_most(
            "variance at p = 0.5, where (y − x)² = x² whatever is dropped: relative distance",
            exact,
            1e-5,
            "f32 sums on the device",
        ),
        Check::at_most("largest mean of a blank pixel", blank.into(), 0.0, "exactly"),
        Check::exactly("elements whose gradient is not keep ? dy·scale : 0", gradients.wrong, 0),
        Check::exactly("non-zero gradients of weights of dropped units", gradients.leaked, 0),
        Check::at_least(
            "non-zero gradients of weights of kept units",
            gradients.moved as f64,
            1.0,
            "or nothing was tested",
        ),
    ];
    let verdict = format!(
        "Of {} means and variances the farthest is {} standard errors from theory, where {} may be by chance; {} weights of {} \
         dropped units got exactly no gradient.",
        grouped(z_mean.len() + z_variance.len()),
        digits(largest(&z_mean).max(largest(&z_variance)), 3),
        digits(family.deviations(), 3),
        grouped(gradients.silent),
        gradients.units,
    );
    let figures = vec![variance_figure(&variances, family)?, quantiles(&z_mean, &z_variance, family)?];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks: vec![] })
}

fn largest(z: &[f64]) -> f64 {
    z.iter().fold(0.0, |worst, z| z.abs().max(worst))
}

/// What one step of training gave.
struct Gradients {
    wrong: usize,
    leaked: usize,
    moved: usize,
    silent: usize,
    units: usize,
}

/// A hidden layer of relu units, of which one mask for the batch drops some: `a = W·x`, `h = dropout(relu(a))`, `o = V·h`.
fn gradients(lab: &Lab<'_>, kind: Kind) -> Result<Gradients, Error> {
    const BATCH: usize = 100;
    const UNITS: usize = 48;
    let p = 0.5;
    let x = lab.data.digits.x.rows(0, BATCH).clone_owned();
    let w = nalgebra::DMatrix::from_vec(UNITS, PIXELS, lab.normals(lab.key(100), UNITS * PIXELS)?);
    let a = data::row_major(&(&x * w.transpose()));
    let mask = Dropout::new(p)?.mask(lab.key(101)).shared(&[BATCH as u64, UNITS as u64], &[0])?;
    let fused = Fused::new(mask, UNITS as u64)?.with_activation(Activation::Relu);
    let mut h = vec![0.0_f32; a.len()];
    lab.context.run_pass_blocking(fused.forward(&a[..], &mut h[..]))?;
    // The gradient of the output's weights and that of the hidden layer, for a gradient of ones at one output.
    let dy: Vec<f32> = (0..a.len()).map(|i| 0.5 + (i % 97) as f32).collect();
    let mut da = vec![0.0_f32; a.len()];
    lab.context.run_pass_blocking(fused.backward(&dy[..], &mut da[..]).with_input(&a[..]))?;
    let h = nalgebra::DMatrix::from_row_slice(BATCH, UNITS, &h).map(f64::from);
    let dw = nalgebra::DMatrix::from_row_slice(BATCH, UNITS, &da).map(f64::from).transpose() * &x;
    let dv = h.transpose() * nalgebra::DVector::from_element(BATCH, 1.0);

    let bits = lab.context.keep_mask_blocking(&mask, a.len() as u64)?;
    let kept = |i: usize| bits[i / 32] >> (i % 32) & 1 == 1;
    // The gradient of dropout alone, element by element.
    let dropout = Dropout::of_kind(kind, p)?.mask(mask.key()).at(mask.view());
    let dx = lab.context.backward_blocking(&dropout, &dy)?;
    let wrong = (0..dx.len()).filter(|&i| dx[i] != if kept(i) { dy[i] * mask.scale() } else { 0.0 }).count();
    let mut found = Gradients { wrong, leaked: 0, moved: 0, silent: 0, units: 0 };
    for unit in 0..UNITS {
        let moved = dw.row(unit).iter().chain([&dv[unit]]).filter(|gradient| **gradient != 0.0).count();
        if kept(unit) {
            found.moved += moved;
        } else {
            found.leaked += moved;
            found.silent += PIXELS + 1 - moved;
            found.units += 1;
        }
    }
    Ok(found)
}

fn variance_figure(variances: &[(f64, f64, f64)], family: Family) -> Result<crate::Figure, Error> {
    let mut plot = Plot::new(Axis::new("drop probability p", 0.0, 1.0), Axis::log("variance ÷ x²", 0.05, 20.0));
    plot.curve(|p| p / (1.0 - p), Tone::First, Stroke::Solid);
    let half = |deviation: f64| family.deviations() * deviation;
    plot.intervals(variances.iter().map(|&(p, v, d)| (p, v - half(d), v + half(d))), Tone::Ink);
    plot.points(variances.iter().map(|&(p, variance, _)| (p, variance)), Tone::Ink, Mark::Dot);
    plot.label(0.62, 1.0, "p/q, theory", Tone::First, Side::Right);
    plot.label(0.3, variances[2].1, "measured", Tone::Ink, Side::Left);
    plot.figure("The variance that dropout adds, over all digits. Intervals are drawn, and smaller than the dots.")
}

/// Distances from theory against those that chance gives.
fn quantiles(mean: &[f64], variance: &[f64], family: Family) -> Result<crate::Figure, Error> {
    let bound = family.deviations();
    let edge = bound + 0.8;
    let axis = |text| Axis::new(text, -edge, edge);
    let mut plot = Plot::new(axis("standard normal quantiles"), axis("distance from theory, standard errors"));
    plot.curve(|z| z, Tone::Soft, Stroke::Thin);
    for (z, tone, mark) in [(mean, Tone::First, Mark::Speck), (variance, Tone::Second, Mark::Cross)] {
        let mut z = z.to_vec();
        z.sort_by(f64::total_cmp);
        let n = z.len() as f64;
        let place = |i: usize| Normal::standard().inverse_cdf((i as f64 + 0.5) / n);
        plot.points(z.iter().enumerate().map(|(i, &z)| (place(i), z.clamp(-edge, edge))), tone, mark);
    }
    for side in [-bound, bound] {
        plot.level(side, Tone::Ink, Stroke::Dashed);
    }
    plot.label(-edge + 0.2, bound - 0.8, "10⁻⁶ for all of them together", Tone::Ink, Side::Right);
    plot.label(1.2, -1.2, "dots: means", Tone::First, Side::Right);
    plot.label(1.2, -2.2, "crosses: variances", Tone::Second, Side::Right);
    plot.figure("Every pixel at every rate. On the diagonal, distances are as chance has them.")
}
