//! In logistic regression dropout is an adaptive L2 penalty, to second order; and how far the exact one departs.

use nalgebra::{DMatrix, DVector};
use wgpu_dropout::Dropout;

use crate::{
    Axis, Check, Error, Estimate, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, data,
    digits,
};

pub const STUDY: Study = Study {
    name: "adaptive-l2",
    title: "Logistic regression with dropout has an adaptive penalty",
    claim: "In logistic regression dropout adds nearly an L2 penalty that adapts to the data: a feature costs less where the \
            prediction is certain. It is the second-order approximation of the exact penalty, good at a fixed β for small p.",
    source: "Wager, Wang, Liang, NeurIPS 2013",
    formula: r"R(\beta) = \sum_i \mathbb{E}\,A(\tilde{x}_i \cdot \beta) - A(x_i \cdot \beta) \;\approx\;
               \frac{1}{2}\,\frac{p}{q} \sum_{ij} \pi_i (1 - \pi_i)\, x_{ij}^2\, \beta_j^2, \qquad
               A(s) = \ln(1 + e^s), \quad \pi_i = \sigma(x_i \cdot \beta)",
    measurement: "Breast cancer, 569 × 30, standardised. The exact penalty is averaged over masks, with the first two terms of \
                  Taylor’s series, whose means are known, as control variates; once at the ridge optimum with λ = 1, the same β for all p, and once \
                  at the optimum of the loss with dropout itself, which is another β for each p. There the masks of the penalty \
                  are not those that β was fitted to.",
    fault: "the approximation without its curvature π(1 − π), which is what adapts",
    run,
};

const RATES: [f64; 7] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5];
/// Up to here the approximation has to be good.
const SMALL: f64 = 0.1;
/// How good, at a fixed β.
const GOOD: f64 = 0.12;

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let table = lab.data.breast_cancer.standardised();
    let rows = data::row_major(&table.x);
    // Columns are examples, as the device has them.
    let x = DMatrix::from_iterator(table.x.ncols(), table.x.nrows(), rows.iter().map(|&x| f64::from(x)));
    let y = lab.data.breast_cancer.y.clone();
    let ridge = fit(&x, &y, 1.0)?;
    let family = Family::of(2 * RATES.len());
    let mut ratios = [vec![], vec![]];
    let mut gains = vec![];
    let mut rows_of_table = Table::new(
        "Penalties",
        &["p", "β", "‖β‖", "exact", "approximation", "approximation ÷ exact", "plain error ÷ with control variates"],
    );
    for (number, &p) in RATES.iter().enumerate() {
        let fitted = fit_with_dropout(lab, &x, &rows, &y, p, 100 + number as u16)?;
        for (at, (name, beta)) in [("ridge", &ridge), ("dropout", &fitted)].into_iter().enumerate() {
            let layer = (2 * number + at) as u16;
            let Penalty { exact, plain_error } = penalty(lab, &x, &rows, beta, p, layer)?;
            let approximation = approximation(&x, beta, p, lab.fault);
            // Relative errors of a quotient are those of its denominator.
            let value = approximation / exact.value;
            let ratio = Estimate { value, error: value * exact.error / exact.value, ..exact };
            let gain = plain_error / exact.error;
            rows_of_table.row([
                digits(p, 2),
                name.into(),
                digits(beta.rows(0, x.nrows()).norm(), 4),
                digits(exact.value, 4),
                digits(approximation, 4),
                digits(value, 4),
                digits(gain, 3),
            ]);
            ratios[at].push((p, ratio));
            gains.push((p, gain));
        }
        lab.progress(number + 1, RATES.len());
    }
    let mut checks = vec![];
    for &(p, ratio) in ratios[0].iter().filter(|(p, _)| *p <= SMALL) {
        let (low, high) = family.interval(&ratio);
        let mut check =
            Check::agrees(format!("approximation ÷ exact at the ridge optimum, p = {p}"), ratio, 1.0, family);
        check.because = format!("all of it within 1 ± {GOOD}; {}", check.because);
        check.holds = low >= 1.0 - GOOD && high <= 1.0 + GOOD;
        checks.push(check);
    }
    for &(p, ratio) in ratios[1].iter().filter(|(p, _)| *p <= SMALL) {
        let what = format!("approximation ÷ exact at the optimum with dropout, p = {p}");
        checks.push(Check::below(what, ratio, 1.0 - GOOD, family));
    }
    let least = gains.iter().filter(|(p, _)| *p <= SMALL).map(|(_, gain)| *gain).fold(f64::INFINITY, f64::min);
    let what = "error of plain averages ÷ error with control variates, the least for p ≤ 0.1";
    checks.push(Check::at_least(what, least, 3.0, "without them the penalty is lost in noise of first order"));
    let range = |ratios: &[(f64, Estimate)]| {
        let off = ratios.iter().filter(|(p, _)| *p <= SMALL).map(|(_, ratio)| (1.0 - ratio.value) * 100.0);
        let (low, high) =
            off.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), off| (low.min(off), high.max(off)));
        format!("{} to {} %", digits(low, 2), digits(high, 2))
    };
    let verdict = format!(
        "For p ≤ 0.1 the approximation is {} too low at the ridge optimum, and {} at the optimum with dropout.",
        range(&ratios[0]),
        range(&ratios[1]),
    );
    let figures = vec![ratio_figure(&ratios, family)?, curvature_figure(&x, &ridge)?];
    Ok(Findings { verdict, checks, tables: vec![rows_of_table], figures, remarks: vec![REMARK.into()] })
}

const REMARK: &str = "At the optimum with dropout the approximation does not become better as p falls: the less is dropped, the \
                      larger β grows, because these classes can nearly be separated, and p/q·β² stays where it is. “Good for \
                      small p” is true of a fixed β only.";

fn softplus(s: f64) -> f64 {
    s.max(0.0) + (-s.abs()).exp().ln_1p()
}

fn sigma(s: f64) -> f64 {
    1.0 / (1.0 + (-s).exp())
}

/// Sums of examples that are columns of x: β has the intercept last.
fn sums(x: &DMatrix<f64>, beta: &DVector<f64>) -> DVector<f64> {
    let features = x.nrows();
    (x.tr_mul(&beta.rows(0, features))).add_scalar(beta[features])
}

/// The β of least loss, with λ/2·‖β‖² on all but the intercept: Newton's method.
fn fit(x: &DMatrix<f64>, y: &DVector<f64>, lambda: f64) -> Result<DVector<f64>, Error> {
    let features = x.nrows();
    let copies = x.ncols() / y.len();
    let mut beta = DVector::zeros(features + 1);
    let penalised = DVector::from_fn(features + 1, |j, _| if j < features { lambda * copies as f64 } else { 0.0 });
    let loss = |beta: &DVector<f64>| {
        let sums = sums(x, beta);
        let of_examples: f64 = sums.iter().enumerate().map(|(i, &s)| softplus(s) - y[i % y.len()] * s).sum();
        of_examples + 0.5 * penalised.dot(&beta.component_mul(beta))
    };
    for _ in 0..60 {
        let sums = sums(x, &beta);
        let probability = sums.map(sigma);
        let error = DVector::from_fn(sums.len(), |i, _| probability[i] - y[i % y.len()]);
        let mut gradient = penalised.component_mul(&beta);
        gradient.rows_mut(0, features).gemv(1.0, x, &error, 1.0);
        gradient[features] += error.sum();
        let curvature = probability.map(|p| p * (1.0 - p));
        let mut weighted = x.clone();
        weighted.column_iter_mut().zip(curvature.iter()).for_each(|(mut column, c)| column *= *c);
        let mut hessian = DMatrix::from_diagonal(&penalised);
        let inner = &weighted * x.transpose();
        let mut block = hessian.view_mut((0, 0), (features, features));
        block += inner;
        let edge = weighted.column_sum();
        for j in 0..features {
            hessian[(j, features)] += edge[j];
            hessian[(features, j)] += edge[j];
        }
        hessian[(features, features)] += curvature.sum();
        let step = hessian.cholesky().ok_or("logistic regression: the curvature is singular")?.solve(&gradient);
        // Half as far while the loss would rise.
        let before = loss(&beta);
        let mut length = 1.0;
        while loss(&(&beta - &step * length)) > before + 1e-9 * before.abs() && length > 1e-6 {
            length /= 2.0;
        }
        beta -= &step * length;
        if step.amax() * length < 1e-9 * (1.0 + beta.amax()) {
            return Ok(beta);
        }
    }
    Err("logistic regression did not converge in 60 steps".into())
}

/// The β of least mean loss over many masks, the same ones at every step.
fn fit_with_dropout(
    lab: &Lab<'_>,
    x: &DMatrix<f64>,
    rows: &[f32],
    y: &DVector<f64>,
    p: f64,
    layer: u16,
) -> Result<DVector<f64>, Error> {
    let masks = lab.size(150, 60);
    let dropped = lab.copies(Dropout::new(p)?.mask(lab.key(layer)), rows, 0, masks)?;
    fit(&DMatrix::from_vec(x.nrows(), x.ncols() * masks, dropped).map(f64::from), y, 0.0)
}

/// An exact penalty, and the standard error that it would have without the control variate.
struct Penalty {
    exact: Estimate,
    plain_error: f64,
}

fn penalty(
    lab: &Lab<'_>,
    x: &DMatrix<f64>,
    rows: &[f32],
    beta: &DVector<f64>,
    p: f64,
    layer: u16,
) -> Result<Penalty, Error> {
    const AT_A_TIME: usize = 100;
    let samples = lab.size(24_000, 6000);
    let n = x.ncols();
    let mask = Dropout::new(p)?.mask(lab.key(layer));
    // At what no mask has touched: the sum, A, and π.
    let whole: Vec<_> = sums(x, beta).iter().map(|&s| (s, softplus(s), sigma(s))).collect();
    let second = approximation(x, beta, p, false);
    let (mut controlled, mut plain) = (vec![], vec![]);
    for first in (0..samples).step_by(AT_A_TIME) {
        let dropped = lab.copies(mask, rows, first, AT_A_TIME)?;
        let dropped = sums(&DMatrix::from_vec(x.nrows(), n * AT_A_TIME, dropped).map(f64::from), beta);
        for sample in dropped.as_slice().chunks(n) {
            let (mut more, mut control) = (0.0, 0.0);
            for (&dropped, &(whole, at_whole, probability)) in sample.iter().zip(&whole) {
                more += softplus(dropped) - at_whole;
                // Taylor's first two terms, of which the mean is known: 0, and the approximation.
                let off = dropped - whole;
                control += probability * off + 0.5 * probability * (1.0 - probability) * off * off;
            }
            plain.push(more);
            controlled.push(more - control + second);
        }
    }
    Ok(Penalty { exact: Estimate::mean(&controlled), plain_error: Estimate::mean(&plain).error })
}

fn approximation(x: &DMatrix<f64>, beta: &DVector<f64>, p: f64, fault: bool) -> f64 {
    let sum: f64 = x
        .column_iter()
        .zip(&sums(x, beta))
        .map(|(column, &s)| {
            let curvature = if fault { 1.0 } else { sigma(s) * sigma(-s) };
            curvature * column.iter().zip(beta.iter()).map(|(x, beta)| (x * beta).powi(2)).sum::<f64>()
        })
        .sum();
    0.5 * p / (1.0 - p) * sum
}

fn ratio_figure(ratios: &[Vec<(f64, Estimate)>; 2], family: Family) -> Result<Figure, Error> {
    let mut plot = Plot::new(Axis::log("drop probability p", 0.008, 0.7), Axis::new("approximation ÷ exact", 0.5, 1.2));
    plot.band([(0.008, 1.0 - GOOD, 1.0 + GOOD), (SMALL, 1.0 - GOOD, 1.0 + GOOD)], Tone::Soft);
    plot.level(1.0, Tone::Soft, Stroke::Thin);
    for (ratios, tone, mark, stroke) in [
        (&ratios[0], Tone::First, Mark::Dot, Stroke::Solid),
        (&ratios[1], Tone::Second, Mark::Triangle, Stroke::Dashed),
    ] {
        plot.line(ratios.iter().map(|(p, ratio)| (*p, ratio.value)), tone, stroke);
        plot.intervals(
            ratios.iter().map(|(p, ratio)| {
                let (low, high) = family.interval(ratio);
                (*p, low, high)
            }),
            tone,
        );
        plot.points(ratios.iter().map(|(p, ratio)| (*p, ratio.value)), tone, mark);
    }
    plot.label(0.009, 1.09, "within 12 %", Tone::Soft, Side::Right);
    plot.label(0.02, ratios[0][1].1.value - 0.05, "one β, of ridge", Tone::First, Side::Right);
    plot.label(0.02, ratios[1][1].1.value - 0.06, "the optimum with dropout", Tone::Second, Side::Right);
    plot.figure(
        "How good the second-order penalty is. At a fixed β it improves as p falls; at the optimum it does not.",
    )
}

/// What a unit of x² costs, for each patient.
fn curvature_figure(x: &DMatrix<f64>, beta: &DVector<f64>) -> Result<Figure, Error> {
    let mut plot = Plot::new(
        Axis::new("x·β, benign to the right", -20.0, 20.0),
        Axis::new("weight π(1 − π) in the penalty", 0.0, 0.28),
    );
    plot.curve(|s| sigma(s) * sigma(-s), Tone::First, Stroke::Solid);
    let points = sums(x, beta);
    plot.points(points.iter().map(|&s| (s.clamp(-20.0, 20.0), sigma(s) * sigma(-s))), Tone::Ink, Mark::Speck);
    let certain = points.iter().filter(|s| sigma(**s) * sigma(-**s) < 0.025).count();
    let share = 100.0 * certain as f64 / points.len() as f64;
    plot.label(4.0, 0.2, format!("{share:.0} % of the patients"), Tone::Ink, Side::Right);
    plot.label(4.0, 0.18, "weigh less than a", Tone::Ink, Side::Right);
    plot.label(4.0, 0.16, "tenth of the top", Tone::Ink, Side::Right);
    plot.figure(
        "Why it is called adaptive: at the ridge optimum the patients of whom the model is certain pay nearly nothing.",
    )
}
