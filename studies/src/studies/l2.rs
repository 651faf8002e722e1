//! In linear models dropout is an L2 penalty, feature by feature.

use nalgebra::{DMatrix, DVector};
use wgpu_dropout::Dropout;

use crate::{
    Axis, Check, Error, Estimate, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, data,
    digits,
};

pub const STUDY: Study = Study {
    name: "l2",
    title: "Linear regression with dropout is ridge regression",
    claim: "Squared loss with inverted dropout on the inputs is squared loss plus a penalty of (p/q)·‖xⱼ‖² on each squared weight. \
            With standardised features that is ridge regression, with λ = 1 on the mean loss at p = 0.5; otherwise every \
            feature has a penalty of its own.",
    source: "Srivastava et al., JMLR 15, 2014, section 9.1; Wang, Manning, ICML 2013; Bishop, Neural Computation 7, 1995, for noise",
    formula: r"\mathbb{E}\,\|y - \tilde{X}w\|^2 = \|y - Xw\|^2 + \frac{p}{q} \sum_j \|x_j\|^2\, w_j^2,
               \qquad w^* = \Bigl(X^\top X + \frac{p}{q} \operatorname{diag} \|x_j\|^2\Bigr)^{-1} X^\top y",
    measurement: "Diabetes, 442 patients and 10 features, all standardised. The loss at four fixed weights is averaged over masks \
                  and compared with the formula at eight rates. Then gradient descent with a new mask at each step runs at a \
                  constant rate, and the average of its path is compared with the closed form: for standardised features, and \
                  for features whose standard deviations differ by a factor of 4.",
    fault: "a penalty with p in the place of p/q",
    run,
};

const RATES: [f64; 8] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
const TRAINED: [f64; 3] = [0.2, 0.5, 0.8];
/// How near the closed form the path's average ends.
const NEAR: f64 = 1e-2;

/// A linear regression with dropout on its inputs.
struct Regression {
    /// As the device has it: f32 values.
    x: DMatrix<f64>,
    rows: Vec<f32>,
    y: DVector<f64>,
}

impl Regression {
    fn new(x: &DMatrix<f64>, y: &DVector<f64>) -> Self {
        let rows = data::row_major(x);
        let x = DMatrix::from_row_iterator(x.nrows(), x.ncols(), rows.iter().map(|&x| f64::from(x)));
        Self { x, rows, y: y.clone() }
    }

    /// ‖xⱼ‖² for each feature.
    fn squares(&self) -> DVector<f64> {
        DVector::from_iterator(self.x.ncols(), self.x.column_iter().map(|column| column.norm_squared()))
    }

    /// The weights of least loss with these penalties on their squares.
    fn solve(&self, penalties: &DVector<f64>) -> Result<DVector<f64>, Error> {
        let matrix = self.x.tr_mul(&self.x) + DMatrix::from_diagonal(penalties);
        let cholesky = matrix.cholesky().ok_or("the normal equations are singular")?;
        Ok(cholesky.solve(&self.x.tr_mul(&self.y)))
    }
}

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let table = lab.data.regression.standardised();
    let regression = Regression::new(&table.x, &table.y);
    let factor = |p: f64| if lab.fault { p } else { p / (1.0 - p) };
    let closed = |regression: &Regression, p: f64| regression.solve(&(regression.squares() * factor(p)));
    let least_squares = regression.solve(&DVector::zeros(table.x.ncols()))?;

    let weights = fixed_weights(lab, &regression, &least_squares)?;
    let family = Family::of(RATES.len() * weights.len());
    let mut losses = vec![];
    for (number, &p) in RATES.iter().enumerate() {
        let estimates = loss(lab, &regression, &weights, p, 1 + number as u16)?;
        for ((name, w), estimate) in weights.iter().zip(estimates) {
            losses.push(Loss { name, p, estimate, theory: theory(&regression, w, factor(p)) });
        }
        lab.progress(number + 1, 2 * RATES.len());
    }
    let pairs: Vec<_> = losses.iter().map(|loss| (loss.estimate, loss.theory)).collect();
    let off = losses.iter().map(|loss| ((loss.estimate.value - loss.theory) / loss.estimate.error).abs());
    let worst = off.fold(0.0, f64::max);
    let mut checks = vec![Check::each_agrees("mean loss, 8 rates × 4 weights: the largest distance", &pairs, family)];

    let mut paths = vec![];
    for (number, &p) in TRAINED.iter().enumerate() {
        let (path, exact) = (descend(lab, &regression, p, 20 + number as u16)?, closed(&regression, p)?);
        checks.push(Check::at_most(
            format!("gradient descent with dropout, p = {p}: the largest distance of a weight from the closed form"),
            largest_distance(&path, &exact),
            NEAR,
            format!("the mean of {} steps; weights are up to {}", lab.size(FULL, QUICK), digits(exact.amax(), 2)),
        ));
        paths.push((path, exact));
        lab.progress(TRAINED.len() + number + 1, 2 * TRAINED.len() + 1);
    }

    let unequal = Unequal::measure(lab, &table, factor(0.5))?;
    checks.extend(unequal.checks(lab, &closed(&regression, 0.5)?));
    let off = paths.iter().map(|(path, exact)| largest_distance(path, exact)).fold(0.0, f64::max);
    let verdict = format!(
        "The loss over masks is within {} standard errors of the formula at all rates, and gradient descent with dropout ends \
         within {} of the closed form, with a penalty for each feature where they differ.",
        digits(worst, 3),
        digits(off.max(largest_distance(&unequal.path, &unequal.per_feature)), 2),
    );
    let (path, exact) = &paths[1];
    let figures = vec![
        losses_figure(&regression, &weights, &losses, family)?,
        weights_figure(
            &table.names,
            path,
            ("ridge, closed form", exact),
            ("least squares", &least_squares),
            "Weights at p = 0.5: descent with dropout (dots) ends at ridge (rings), not at least squares (crosses).",
        )?,
        weights_figure(
            &table.names,
            &unequal.path,
            ("a penalty for each feature", &unequal.per_feature),
            ("plain ridge", &unequal.plain),
            "Features from half to twice the standard deviation, weights in standardised units: dropout (dots) has a penalty for \
             each feature (rings), and plain ridge is elsewhere (crosses).",
        )?,
    ];
    let mut remarks = vec![REMARK.into()];
    remarks.extend(lab.data.folder.as_ref().map(|folder| {
        let (examples, features) = table.x.shape();
        format!("This run was of {folder} and not of diabetes: {examples} examples of {features} features.")
    }));
    Ok(Findings { verdict, checks, tables: vec![losses_table(&losses, family)], figures, remarks })
}

const REMARK: &str = "The penalty of a feature grows with its own variance, so that a feature in other units gets the same \
                      prediction: ridge with one λ has no such property, and needs standardised features for what dropout has \
                      by itself. On the sum of losses λ is N·p/q; on the mean, p/q. It is not p: at p = 0.5 the two differ by a \
                      factor of 2, and without bound as p goes to 1.";

/// The mean loss over masks at one of the fixed weights.
struct Loss {
    name: &'static str,
    p: f64,
    estimate: Estimate,
    theory: f64,
}

/// Weights that do not depend on p, and their names.
fn fixed_weights(
    lab: &Lab<'_>,
    regression: &Regression,
    least_squares: &DVector<f64>,
) -> Result<[(&'static str, DVector<f64>); 4], Error> {
    let n = least_squares.len();
    let random = DVector::from_vec(lab.normals(lab.key(0), 2 * n)?);
    Ok([
        ("least squares", least_squares.clone()),
        ("ridge, λ = 1", regression.solve(&regression.squares())?),
        ("random", random.rows(0, n) * 0.2),
        ("another random", random.rows(n, n) * 0.3),
    ])
}

/// Features with standard deviations from 1/2 to 2, at p = 0.5. All weights are in units of standardised features.
struct Unequal {
    path: Vec<Estimate>,
    /// The closed forms with a penalty for each feature, and with the mean penalty for all.
    per_feature: DVector<f64>,
    plain: DVector<f64>,
}

impl Unequal {
    fn measure(lab: &Lab<'_>, table: &data::Table, factor: f64) -> Result<Self, Error> {
        let n = table.x.ncols();
        let scales = DVector::from_fn(n, |j, _| 4.0_f64.powf(j as f64 / (n - 1).max(1) as f64 - 0.5));
        let regression = Regression::new(&(&table.x * DMatrix::from_diagonal(&scales)), &table.y);
        let path = descend(lab, &regression, 0.5, 30)?;
        let squares = regression.squares();
        let mean = DVector::from_element(n, squares.mean());
        Ok(Self {
            path: path.iter().zip(&scales).map(|(w, scale)| w.scaled(*scale)).collect(),
            per_feature: regression.solve(&(squares * factor))?.component_mul(&scales),
            plain: regression.solve(&(mean * factor))?.component_mul(&scales),
        })
    }

    fn checks(&self, lab: &Lab<'_>, standardised: &DVector<f64>) -> Vec<Check> {
        let mut checks = vec![
            Check::at_most(
                "unequal features, p = 0.5: the largest distance from the closed form with a penalty for each feature",
                largest_distance(&self.path, &self.per_feature),
                NEAR,
                "in units of standardised features",
            ),
            Check::at_most(
                "dropout does not see units: the largest distance between the closed forms of unequal and standardised \
                 features",
                (&self.per_feature - standardised).amax(),
                1e-6,
                "f32 rounding of the features",
            ),
        ];
        // In data of which nothing is known the two may be one.
        if lab.data.folder.is_none() {
            checks.push(Check::at_least(
                "unequal features: the largest distance from plain ridge with the mean penalty",
                largest_distance(&self.path, &self.plain),
                3.0 * NEAR,
                "the two penalties can be told apart",
            ));
        }
        checks
    }
}

fn losses_table(losses: &[Loss], family: Family) -> Table {
    let mut table = Table::new("Mean loss over masks", &["weights", "p", "measured", "theory", "interval"]);
    for Loss { name, p, estimate, theory } in losses {
        let (low, high) = family.interval(estimate);
        let interval = format!("{} to {}", digits(low, 5), digits(high, 5));
        table.row([(*name).into(), digits(*p, 1), digits(estimate.value, 5), digits(*theory, 5), interval]);
    }
    table
}

/// ‖y − Xw‖²/N and the penalty.
fn theory(regression: &Regression, w: &DVector<f64>, factor: f64) -> f64 {
    let penalty = regression.squares().dot(&w.component_mul(w));
    ((&regression.y - &regression.x * w).norm_squared() + factor * penalty) / regression.y.len() as f64
}

/// The mean loss over masks, at each of the weights.
fn loss(
    lab: &Lab<'_>,
    regression: &Regression,
    weights: &[(&str, DVector<f64>)],
    p: f64,
    layer: u16,
) -> Result<Vec<Estimate>, Error> {
    let samples = lab.size(4000, 600);
    let (n, features) = regression.x.shape();
    let at_a_time = at_a_time(n * features);
    let mask = Dropout::new(p)?.mask(lab.key(layer));
    let columns: Vec<_> = weights.iter().map(|(_, w)| w.clone()).collect();
    let w = DMatrix::from_columns(&columns).transpose();
    let mut losses = vec![vec![]; weights.len()];
    for first in (0..samples).step_by(at_a_time) {
        let dropped = lab.copies(mask, &regression.rows, first, at_a_time)?;
        let predictions = &w * DMatrix::from_vec(features, n * at_a_time, dropped).map(f64::from);
        for sample in 0..at_a_time {
            let of_sample = predictions.columns(sample * n, n);
            for (losses, prediction) in losses.iter_mut().zip(of_sample.row_iter()) {
                losses.push((regression.y.transpose() - prediction).norm_squared() / n as f64);
            }
        }
    }
    Ok(losses.iter().map(|losses| Estimate::mean(losses)).collect())
}

/// Masks that are drawn together: a divisor of all numbers of masks here.
fn at_a_time(elements: usize) -> usize {
    [200, 100, 50, 20, 10, 5].into_iter().find(|count| count * elements <= 1 << 21).unwrap_or(1)
}

const FULL: usize = 40_000;
const QUICK: usize = 12_000;

/// The mean of a path of gradient descent on the mean loss, each step with a mask of its own. The rate is constant: the loss is
/// quadratic, so the path's mean has no bias. The standard errors are those of the means of parts of the path.
fn descend(lab: &Lab<'_>, regression: &Regression, p: f64, layer: u16) -> Result<Vec<Estimate>, Error> {
    const PARTS: usize = 30;
    let steps = lab.size(FULL, QUICK);
    let (n, features) = regression.x.shape();
    let dropout = Dropout::new(p)?;
    let largest = regression.x.tr_mul(&regression.x).symmetric_eigenvalues().max() / n as f64;
    let rate = 0.4 * (1.0 - p) / largest;
    let at_a_time = at_a_time(n * features);
    let mut w = DVector::zeros(features);
    let burn_in = steps / 10;
    let part = (steps - burn_in) / PARTS;
    let mut parts = vec![DVector::zeros(features); PARTS];
    for first in (0..steps).step_by(at_a_time) {
        let mask = dropout.mask(lab.key(layer).with_step(first as u32));
        let dropped = lab.copies(mask, &regression.rows, 0, at_a_time)?;
        let dropped = DMatrix::from_vec(features, n * at_a_time, dropped).map(f64::from);
        for step in 0..at_a_time {
            let x = dropped.columns(step * n, n);
            let error = x.tr_mul(&w) - &regression.y;
            w -= x * error * (2.0 * rate / n as f64);
            if let Some(part) = (first + step).checked_sub(burn_in).map(|step| step / part).filter(|&part| part < PARTS)
            {
                parts[part] += &w;
            }
        }
    }
    let mean = |feature: usize| Estimate::mean(&parts.iter().map(|sum| sum[feature] / part as f64).collect::<Vec<_>>());
    Ok((0..features).map(mean).collect())
}

fn largest_distance(path: &[Estimate], exact: &DVector<f64>) -> f64 {
    path.iter().zip(exact).map(|(estimate, exact)| (estimate.value - exact).abs()).fold(0.0, f64::max)
}

fn losses_figure(
    regression: &Regression,
    weights: &[(&str, DVector<f64>)],
    losses: &[Loss],
    family: Family,
) -> Result<Figure, Error> {
    let ticks = [0.0, 0.2, 0.4, 0.6, 0.8].map(|p| (p, digits(p, 1)));
    let mut plot =
        Plot::new(Axis::new("drop probability p", 0.0, 1.35).with_ticks(ticks), Axis::log("mean loss", 0.4, 20.0));
    let looks = [
        (Tone::First, Mark::Dot),
        (Tone::Third, Mark::Ring),
        (Tone::Second, Mark::Triangle),
        (Tone::Soft, Mark::Cross),
    ];
    for ((name, w), (tone, mark)) in weights.iter().zip(looks) {
        let at = |p: f64| (p, theory(regression, w, p / (1.0 - p)));
        plot.line((0..=90).map(|i| at(f64::from(i) / 100.0)), tone, Stroke::Solid);
        for Loss { p, estimate, .. } in losses.iter().filter(|loss| loss.name == *name) {
            let (low, high) = family.interval(estimate);
            plot.intervals([(*p, low, high)], tone);
            plot.points([(*p, estimate.value)], tone, mark);
        }
        let (x, y) = at(0.9);
        plot.label(x, y, *name, tone, Side::Right);
    }
    plot.figure(
        "Curves are the formula, marks the mean over masks, with intervals where they are larger than the marks.",
    )
}

fn weights_figure(
    names: &[String],
    path: &[Estimate],
    (exact_name, exact): (&str, &DVector<f64>),
    (other_name, other): (&str, &DVector<f64>),
    caption: &str,
) -> Result<Figure, Error> {
    let every = names.len().div_ceil(12);
    let ticks = names.iter().enumerate().step_by(every).map(|(i, name)| (i as f64, name.as_str()));
    let last = names.len() as f64 - 0.5;
    let mut plot = Plot::new(Axis::new("feature", -0.5, last).with_ticks(ticks), Axis::new("weight", -0.55, 0.95));
    plot.level(0.0, Tone::Soft, Stroke::Thin);
    let place = |i: usize| i as f64;
    plot.points(other.iter().enumerate().map(|(i, &w)| (place(i), w)), Tone::Second, Mark::Cross);
    plot.points(exact.iter().enumerate().map(|(i, &w)| (place(i), w)), Tone::First, Mark::Ring);
    let family = Family::of(names.len());
    plot.intervals(
        path.iter().enumerate().map(|(i, estimate)| {
            let (low, high) = family.interval(estimate);
            (place(i), low, high)
        }),
        Tone::Ink,
    );
    plot.points(path.iter().enumerate().map(|(i, estimate)| (place(i), estimate.value)), Tone::Ink, Mark::Speck);
    plot.label(-0.4, 0.87, "dots: descent with dropout", Tone::Ink, Side::Right);
    plot.label(-0.4, 0.75, format!("rings: {exact_name}"), Tone::First, Side::Right);
    plot.label(-0.4, 0.63, format!("crosses: {other_name}"), Tone::Second, Side::Right);
    plot.figure(caption)
}
