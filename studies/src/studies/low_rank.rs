//! Dropout on the width of a factorisation is a penalty on its rank.

use nalgebra::{DMatrix, DVector};
use wgpu_dropout::Dropout;

use crate::{
    Axis, Check, Error, Estimate, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, data,
    digits,
};

pub const STUDY: Study = Study {
    name: "low-rank",
    title: "Dropout of hidden units makes a matrix of low rank",
    claim: "Dropping columns of a factorisation UVᵀ adds the penalty (p/q)·Σ‖uₖ‖²‖vₖ‖². With a rate that grows with the width, \
            p/q = d·λ, the best product is X with its singular values shrunk by one number, those below it to zero.",
    source: "Cavazza, Morerio, Haeffele, Lane, Murino, Vidal, AISTATS 2018",
    formula: r"\mathbb{E}\,\|X - \tfrac{1}{q} U \operatorname{diag}(r) V^\top\|^2 = \|X - UV^\top\|^2 +
               \frac{p}{q} \sum_k \|u_k\|^2 \|v_k\|^2, \qquad \hat{\sigma}_i = \max(\sigma_i - \mu, 0), \quad
               \mu = \frac{\lambda}{1 + \lambda \bar{d}} \sum_{i \le \bar{d}} \sigma_i",
    measurement: "X is the centred matrix of digits, 20 columns wide are U and V. The loss over masks is compared with the formula for \
                  random and for trained factors. Then U and V are trained from random ones by gradient descent, each row of U with \
                  a mask of its own at each step, which has the same mean loss; and the singular values of their product are \
                  compared with the closed form.",
    fault: "a rate that does not grow with the width",
    run,
};

const WIDTH: usize = 20;
const LAMBDA: f64 = 0.1;
const RATES: [f64; 6] = [0.1, 0.2, 0.35, 0.5, 0.65, 0.8];
/// How near the singular values have to be.
const NEAR: f64 = 0.02;

/// A factorisation, and what its loss over masks is made of.
struct Factors {
    u: DMatrix<f64>,
    v: DMatrix<f64>,
}

/// ‖X − Σ zₖ uₖvₖᵀ‖² is a quadratic function of z.
struct Quadratic {
    constant: f64,
    linear: DVector<f64>,
    matrix: DMatrix<f64>,
}

impl Quadratic {
    fn new(x: &DMatrix<f64>, Factors { u, v }: &Factors) -> Self {
        let linear = DVector::from_fn(u.ncols(), |k, _| (x.tr_mul(&u.column(k))).dot(&v.column(k)));
        Self { constant: x.norm_squared(), linear, matrix: u.tr_mul(u).component_mul(&v.tr_mul(v)) }
    }

    fn at(&self, z: &DVector<f64>) -> f64 {
        self.constant - 2.0 * self.linear.dot(z) + z.dot(&(&self.matrix * z))
    }

    /// The mean over masks, by the formula.
    fn theory(&self, p: f64) -> f64 {
        self.at(&DVector::from_element(self.linear.len(), 1.0)) + p / (1.0 - p) * self.matrix.trace()
    }
}

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let x = matrix(lab);
    let values = singular_values(&x);
    let (threshold, rank) = threshold(&values);
    let closed: Vec<f64> = values.iter().map(|value| (value - threshold).max(0.0)).collect();
    let trained = train(lab, &x)?;
    let product = singular_values(&(&trained.u * trained.v.transpose()));

    let random = Factors {
        u: DMatrix::from_vec(x.nrows(), WIDTH, lab.normals(lab.key(1), x.nrows() * WIDTH)?) * 0.1,
        v: DMatrix::from_vec(x.ncols(), WIDTH, lab.normals(lab.key(2), x.ncols() * WIDTH)?) * 0.3,
    };
    let family = Family::of(2 * RATES.len());
    let mut losses = vec![];
    for (which, (name, factors)) in [("random factors", &random), ("trained factors", &trained)].into_iter().enumerate()
    {
        let quadratic = Quadratic::new(&x, factors);
        for (number, &p) in RATES.iter().enumerate() {
            let estimate = loss(lab, &quadratic, p, (10 + which * RATES.len() + number) as u16)?;
            losses.push((name, p, estimate, quadratic.theory(p)));
        }
    }
    let pairs: Vec<_> = losses.iter().map(|&(.., estimate, theory)| (estimate, theory)).collect();
    let mut checks =
        vec![Check::each_agrees("loss over masks, 6 rates × 2 factorisations: the largest distance", &pairs, family)];
    checks.push(Check::at_most(
        "one mask of columns, on the whole of U: relative distance of its loss from the quadratic form",
        whole_mask(lab, &x, &random)?,
        1e-5,
        "f32 rounding of U",
    ));
    // Those that are not small themselves are compared with themselves, and all with the largest.
    let large = closed.iter().filter(|value| **value >= 0.2 * closed[0]).count();
    let relative = (0..large).map(|i| (product[i] / closed[i] - 1.0).abs()).fold(0.0, f64::max);
    let largest = closed.iter().zip(&product).map(|(closed, product)| (product - closed).abs()).fold(0.0, f64::max);
    checks.push(Check::at_most(
        format!("the {large} singular values of a fifth of the largest and more: the largest relative distance"),
        relative,
        NEAR,
        "what gradient descent leaves",
    ));
    let because = format!("those near the threshold move slowest; theory has {rank} that are not 0");
    let what = "all 64 singular values: the largest distance, relative to the largest value";
    checks.push(Check::at_most(what, largest / closed[0], NEAR, because));
    let mut table = Table::new("Singular values", &["i", "of X", "closed form", "trained"]);
    for i in 0..rank + 3 {
        table.row([(i + 1).to_string(), digits(values[i], 4), digits(closed[i], 4), digits(product[i].max(1e-9), 4)]);
    }
    let verdict = format!(
        "Trained with dropout, the singular values are shrunk by {} each, as theory says, to within {} %; {rank} of 64 are left.",
        digits(threshold, 3),
        digits(100.0 * relative, 2),
    );
    let figures = vec![
        values_figure(&values, &closed, &product, threshold)?,
        losses_figure(&losses, family, [&random, &trained], &x)?,
    ];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks: vec![REMARK.into()] })
}

const REMARK: &str = "At a fixed rate the penalty fades as the width grows: the same product can be shared out among more columns, \
                      which makes Σ‖uₖ‖²‖vₖ‖² smaller, and in the end nothing is penalised. With p/q = d·λ it is λ times the squared \
                      nuclear norm at every width.";

/// The digits, centred, so large that ‖X‖ = 40. A quick run takes every sixth.
fn matrix(lab: &Lab<'_>) -> DMatrix<f64> {
    let every = lab.size(1, 6);
    let all = &lab.data.digits.x;
    let mut x = DMatrix::from_fn(all.nrows() / every, all.ncols(), |row, column| all[(row * every, column)]);
    x.column_iter_mut().for_each(|mut column| {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    });
    let norm = x.norm();
    x * (40.0 / norm)
}

/// In descending order.
fn singular_values(x: &DMatrix<f64>) -> Vec<f64> {
    // Of the small side's Gram matrix, whose eigenvalues are their squares.
    let mut values: Vec<f64> = x.tr_mul(x).symmetric_eigenvalues().iter().map(|value| value.max(0.0).sqrt()).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

/// What the singular values are shrunk by, and how many are larger.
fn threshold(values: &[f64]) -> (f64, usize) {
    let of = |rank: usize| LAMBDA / (1.0 + LAMBDA * rank as f64) * values[..rank].iter().sum::<f64>();
    let rank = (1..=values.len()).filter(|&rank| values[rank - 1] > of(rank)).max().unwrap_or(0);
    (of(rank), rank)
}

fn loss(lab: &Lab<'_>, quadratic: &Quadratic, p: f64, layer: u16) -> Result<Estimate, Error> {
    let samples = lab.size(40_000, 4000);
    let z = lab.copies(Dropout::new(p)?.mask(lab.key(layer)), &[1.0; WIDTH], 0, samples)?;
    let losses = z.chunks(WIDTH).map(|z| quadratic.at(&DVector::from_iterator(WIDTH, z.iter().map(|&z| f64::from(z)))));
    Ok(Estimate::mean(&losses.collect::<Vec<_>>()))
}

/// Drops columns of U on the device, one decision for all rows, and holds the loss against the quadratic form.
fn whole_mask(lab: &Lab<'_>, x: &DMatrix<f64>, factors: &Factors) -> Result<f64, Error> {
    let shape = [x.nrows() as u64, WIDTH as u64];
    let mask = Dropout::new(0.5)?.mask(lab.key(3)).shared(&shape, &[0])?;
    let dropped = lab.context.forward_blocking(&mask, &data::row_major(&factors.u))?;
    let dropped = DMatrix::from_row_slice(x.nrows(), WIDTH, &dropped).map(f64::from);
    let z = lab.context.forward_blocking(&mask.at(0), &[1.0_f32; WIDTH])?;
    let z = DVector::from_iterator(WIDTH, z.iter().map(|&z| f64::from(z)));
    let exact = Quadratic::new(x, factors).at(&z);
    Ok((((x - dropped * factors.v.transpose()).norm_squared() - exact) / exact).abs())
}

fn train(lab: &Lab<'_>, x: &DMatrix<f64>) -> Result<Factors, Error> {
    let steps = lab.size(4500, 5000);
    let width = if lab.fault { 1.0 } else { WIDTH as f64 };
    let odds = width * LAMBDA;
    let dropout = Dropout::new(odds / (1.0 + odds))?;
    // Masks are drawn for U row by row, so U is kept as columns of rows: its transpose.
    let mut u = DMatrix::from_vec(WIDTH, x.nrows(), lab.normals(lab.key(4), x.nrows() * WIDTH)?) * 0.1;
    let mut v = DMatrix::from_vec(x.ncols(), WIDTH, lab.normals(lab.key(5), x.ncols() * WIDTH)?) * 0.1;
    let xt = x.transpose();
    let ones = vec![1.0_f32; x.nrows() * WIDTH];
    for step in 0..steps {
        let z = lab.context.forward_blocking(&dropout.mask(lab.key(6).with_step(step as u32)), &ones)?;
        let z = DMatrix::from_vec(WIDTH, x.nrows(), z).map(f64::from);
        let dropped = u.component_mul(&z);
        let rest = &xt - &v * &dropped;
        let gradient_u = v.tr_mul(&rest).component_mul(&z);
        let gradient_v = &rest * dropped.transpose();
        // Half of the way at one rate, then down to nothing, so that the noise of the masks dies away.
        let rate = 0.005 * (2.0 * (1.0 - step as f64 / steps as f64)).min(1.0).powi(3);
        u += gradient_u * rate;
        v += gradient_v * rate;
        if step % 50 == 0 {
            lab.progress(step, steps);
        }
    }
    Ok(Factors { u: u.transpose(), v })
}

fn values_figure(values: &[f64], closed: &[f64], product: &[f64], threshold: f64) -> Result<Figure, Error> {
    const SHOWN: usize = 24;
    let most = values[0] * 1.08;
    let mut plot =
        Plot::new(Axis::new("singular value, by size", 0.0, SHOWN as f64 + 0.5), Axis::new("size", -0.02 * most, most));
    let points = |values: &[f64]| -> Vec<(f64, f64)> {
        values.iter().take(SHOWN).enumerate().map(|(i, &value)| (i as f64 + 1.0, value)).collect()
    };
    plot.level(threshold, Tone::Soft, Stroke::Dashed);
    plot.points(points(values), Tone::Second, Mark::Cross);
    plot.line(points(closed), Tone::First, Stroke::Thin);
    plot.points(points(closed), Tone::First, Mark::Ring);
    plot.points(points(product), Tone::Ink, Mark::Speck);
    plot.label(9.5, 0.88 * most, "crosses: of X", Tone::Second, Side::Right);
    plot.label(20.5, threshold, "threshold μ", Tone::Soft, Side::Above);
    plot.label(9.5, 0.8 * most, "rings: closed form, σ − μ", Tone::First, Side::Right);
    plot.label(9.5, 0.72 * most, "dots: trained with dropout", Tone::Ink, Side::Right);
    plot.figure("Every singular value is shrunk by the same μ; those below it are gone.")
}

fn losses_figure(
    losses: &[(&str, f64, Estimate, f64)],
    family: Family,
    factors: [&Factors; 2],
    x: &DMatrix<f64>,
) -> Result<Figure, Error> {
    let most = losses.iter().map(|(.., theory)| *theory).fold(0.0, f64::max);
    let least = losses.iter().map(|(.., theory)| *theory).fold(f64::INFINITY, f64::min);
    let mut plot = Plot::new(
        Axis::new("drop probability p", 0.0, 0.9),
        Axis::log("loss, mean over masks", least / 2.0, most * 2.0),
    );
    let looks = [(Tone::Second, Mark::Triangle, Side::Above), (Tone::First, Mark::Dot, Side::Below)];
    for ((name, factors), (tone, mark, side)) in
        ["random factors", "trained factors"].into_iter().zip(factors).zip(looks)
    {
        let quadratic = Quadratic::new(x, factors);
        plot.curve(|p| quadratic.theory(p), tone, Stroke::Solid);
        for (_, p, estimate, _) in losses.iter().filter(|(other, ..)| *other == name) {
            let (low, high) = family.interval(estimate);
            plot.intervals([(*p, low, high)], tone);
            plot.points([(*p, estimate.value)], tone, mark);
        }
        plot.label(0.4, quadratic.theory(0.4), name, tone, side);
    }
    plot.figure("Curves are the formula, marks the mean over masks; intervals are smaller than the marks.")
}
