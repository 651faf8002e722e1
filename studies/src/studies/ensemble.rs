//! For a softmax layer, the network with scaled weights is the geometric mean of all sub-networks.

use nalgebra::{DMatrix, DVector};
use wgpu_dropout::Dropout;

use crate::{
    Axis, Check, Error, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
    softmax::{Layer, log_softmax},
};

pub const STUDY: Study = Study {
    name: "ensemble",
    title: "One forward pass is 65,536 networks",
    claim: "A network with dropout on n inputs is 2ⁿ networks that share weights. For one layer with softmax, the network with \
            scaled weights is their normalised geometric mean, each weighted by its probability: exactly, not nearly.",
    source: "Hinton, Srivastava, Krizhevsky, Sutskever, Salakhutdinov, arXiv 1207.0580, 2012; Warde-Farley, Goodfellow, \
             Courville, Bengio, arXiv 1312.6197, 2013",
    formula: r"\operatorname{softmax}(Wx + b)_c \;=\; \frac{\prod_s P_s(c)^{\pi_s}}{\sum_k \prod_s P_s(k)^{\pi_s}},
               \qquad P_s = \operatorname{softmax}\!\left(W\,\frac{s \odot x}{q} + b\right),
               \quad \pi_s = q^{|s|}\,p^{\,n - |s|}",
    measurement: "Digits of 4×4 pixels have n = 16 inputs. A softmax layer is trained on them with dropout; then all 65,536 masks \
                  are applied to a digit on the GPU as packed masks, and the means of what all the sub-networks say, the \
                  geometric and the arithmetic one, are compared with the one pass that drops nothing.",
    fault: "sub-networks of p ≠ 0.5 weighted equally",
    run,
};

const INPUTS: usize = 16;
const MASKS: usize = 1 << INPUTS;
const CLASSES: usize = 10;
const RATES: [f64; 3] = [0.2, 0.5, 0.8];
const TRAINED: usize = 1200;

/// What all the sub-networks say of one digit.
struct Ensemble {
    /// Classes: scaled weights, geometric mean, arithmetic mean.
    scaled: DVector<f64>,
    geometric: DVector<f64>,
    arithmetic: DVector<f64>,
    /// The digit's own class.
    label: usize,
    /// Each sub-network's probability for it, and its weight.
    own: Vec<(f64, f64)>,
}

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let x = pooled(&lab.data.digits.x);
    let labels: Vec<usize> = lab.data.digits.y.iter().map(|&y| y as usize).collect();
    let count = lab.size(40, 5);
    let packed: Vec<u32> = (0..MASKS as u32 / 2).map(|pair| (2 * pair) | ((2 * pair + 1) << 16)).collect();
    let mut checks = vec![];
    let mut table = Table::new(
        "Each rate",
        &["p", "accuracy, %", "geometric mean: largest difference", "arithmetic mean: mean difference", "largest"],
    );
    let mut gaps = vec![];
    let mut shown = None;
    for (number, &p) in RATES.iter().enumerate() {
        let layer = train(lab, &x, &labels, p, number as u16)?;
        let right = (TRAINED..labels.len()).filter(|&i| predicted(&layer, &x, i) == labels[i]).count();
        let accuracy = right as f64 / (labels.len() - TRAINED) as f64;
        // The digits of which the layer is least certain, where means differ most.
        let mut order: Vec<usize> = (TRAINED..labels.len()).collect();
        order.sort_by(|&a, &b| certainty(&layer, &x, a).total_cmp(&certainty(&layer, &x, b)));
        let (mut off_geometric, mut off_arithmetic) = (0.0_f64, vec![]);
        for (done, &example) in order.iter().step_by(order.len() / count).take(count).enumerate() {
            let ensemble = enumerate(lab, &layer, &x, example, labels[example], p, &packed)?;
            off_geometric = off_geometric.max((&ensemble.geometric - &ensemble.scaled).amax());
            off_arithmetic.push((&ensemble.arithmetic - &ensemble.scaled).amax());
            gaps.push((p, ensemble.scaled[labels[example]], ensemble.arithmetic[labels[example]]));
            let wrongness = (ensemble.scaled[labels[example]] - 0.5).abs();
            if p == 0.5 && shown.as_ref().is_none_or(|(_, least)| wrongness < *least) {
                shown = Some((ensemble, wrongness));
            }
            lab.progress(number * count + done + 1, RATES.len() * count);
        }
        let mean = off_arithmetic.iter().sum::<f64>() / count as f64;
        let most = off_arithmetic.iter().copied().fold(0.0, f64::max);
        table.row([
            digits(p, 1),
            digits(100.0 * accuracy, 3),
            digits(off_geometric, 2),
            digits(mean, 2),
            digits(most, 2),
        ]);
        checks.push(Check::at_most(
            format!("geometric mean of all 65,536 sub-networks, p = {p}: largest difference of a probability"),
            off_geometric,
            1e-9,
            format!("{count} digits, all 10 classes; pixels and 1/q are exact in f32, the rest is f64"),
        ));
        checks.push(Check::at_least(
            format!("arithmetic mean, p = {p}: largest difference, for comparison"),
            most,
            1e-3,
            "it is another mean: if it agreed too, nothing would have been tested",
        ));
    }
    let worst = checks.iter().step_by(2).map(|check| check.measured).fold(0.0, f64::max);
    let apart = checks.iter().skip(1).step_by(2).map(|check| check.measured).fold(0.0, f64::max);
    let verdict = format!(
        "The geometric mean of all 65,536 sub-networks is the scaled network to {}; the arithmetic mean is up to {} away.",
        digits(worst, 2),
        digits(apart, 2)
    );
    let (ensemble, _) = shown.ok_or("no digit was enumerated")?;
    let figures = vec![histogram(&ensemble)?, means(&gaps)?];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks: vec![] })
}

/// The means of 2×2 pixels, 0 to 1: columns are digits.
fn pooled(x: &DMatrix<f64>) -> DMatrix<f64> {
    DMatrix::from_fn(INPUTS, x.nrows(), |cell, digit| {
        let (row, column) = (cell / 4 * 2, cell % 4 * 2);
        [(0, 0), (0, 1), (1, 0), (1, 1)]
            .map(|(down, right)| x[(digit, (row + down) * 8 + column + right)])
            .iter()
            .sum::<f64>()
            / 64.0
    })
}

fn train(lab: &Lab<'_>, x: &DMatrix<f64>, labels: &[usize], p: f64, number: u16) -> Result<Layer, Error> {
    let dropout = Dropout::new(p)?;
    let examples: Vec<f32> = x.columns(0, TRAINED).iter().map(|&x| x as f32).collect();
    let mut layer = Layer::new(CLASSES, INPUTS);
    for step in 0..200 {
        let mask = dropout.mask(lab.key(number).with_step(step));
        let dropped = lab.context.forward_blocking(&mask, &examples)?;
        layer.step(&DMatrix::from_vec(INPUTS, TRAINED, dropped).map(f64::from), &labels[..TRAINED], 2.0, 2.0);
    }
    Ok(layer)
}

fn probabilities(layer: &Layer, x: &DMatrix<f64>, example: usize) -> DVector<f64> {
    let mut logits: DVector<f64> = &layer.weights * x.column(example) + &layer.bias;
    log_softmax(logits.as_mut_slice());
    logits.map(f64::exp)
}

fn predicted(layer: &Layer, x: &DMatrix<f64>, example: usize) -> usize {
    probabilities(layer, x, example).imax()
}

fn certainty(layer: &Layer, x: &DMatrix<f64>, example: usize) -> f64 {
    probabilities(layer, x, example).max()
}

fn enumerate(
    lab: &Lab<'_>,
    layer: &Layer,
    x: &DMatrix<f64>,
    example: usize,
    label: usize,
    p: f64,
    packed: &[u32],
) -> Result<Ensemble, Error> {
    let q = 1.0 - p;
    let one: Vec<f32> = x.column(example).iter().map(|&x| x as f32).collect();
    let scale = Dropout::new(p)?.scale();
    let dropped = lab.context.apply_mask_blocking(packed, scale, &one.repeat(MASKS))?;
    let mut logits = layer.logits(&DMatrix::from_vec(INPUTS, MASKS, dropped).map(f64::from));
    let mut geometric = DVector::zeros(CLASSES);
    let mut arithmetic = DVector::zeros(CLASSES);
    let mut own = Vec::with_capacity(MASKS);
    for (mask, mut column) in logits.column_iter_mut().enumerate() {
        let kept = mask.count_ones() as i32;
        let weight = if lab.fault { 1.0 / MASKS as f64 } else { q.powi(kept) * p.powi(INPUTS as i32 - kept) };
        log_softmax(column.as_mut_slice());
        geometric += &column * weight;
        column.iter_mut().for_each(|log| *log = log.exp());
        arithmetic += &column * weight;
        own.push((column[label], weight));
    }
    log_softmax(geometric.as_mut_slice());
    let mut exact = DMatrix::zeros(INPUTS, x.ncols());
    exact.set_column(example, &DVector::from_iterator(INPUTS, one.iter().map(|&x| f64::from(x))));
    Ok(Ensemble {
        scaled: probabilities(layer, &exact, example),
        geometric: geometric.map(f64::exp),
        arithmetic,
        label,
        own,
    })
}

fn histogram(ensemble: &Ensemble) -> Result<crate::Figure, Error> {
    const BINS: usize = 40;
    let mut bins = [0.0; BINS];
    for &(probability, weight) in &ensemble.own {
        bins[((probability * BINS as f64) as usize).min(BINS - 1)] += weight * 100.0;
    }
    let most = bins.iter().copied().fold(0.0, f64::max);
    let mut plot = Plot::new(
        Axis::new("probability of the digit’s own class", 0.0, 1.0),
        Axis::new("% of sub-networks", 0.0, 1.35 * most),
    );
    let width = 1.0 / BINS as f64;
    plot.bars(bins.iter().enumerate().map(|(i, &share)| (i as f64 * width, (i + 1) as f64 * width, share)), Tone::Soft);
    let [scaled, geometric, arithmetic] =
        [&ensemble.scaled, &ensemble.geometric, &ensemble.arithmetic].map(|mean| mean[ensemble.label]);
    plot.line([(arithmetic, 0.0), (arithmetic, 1.12 * most)], Tone::Second, Stroke::Dashed);
    plot.line([(scaled, 0.0), (scaled, 1.25 * most)], Tone::First, Stroke::Solid);
    plot.points([(geometric, 1.25 * most)], Tone::Ink, Mark::Ring);
    let side = if arithmetic < scaled { [Side::Right, Side::Left] } else { [Side::Left, Side::Right] };
    plot.label(scaled, 1.25 * most, "scaled = geometric mean", Tone::First, side[0]);
    plot.label(arithmetic, 1.12 * most, "arithmetic mean", Tone::Second, side[1]);
    plot.figure("One digit, p = 0.5: what 65,536 sub-networks say, and the three answers that stand for all of them.")
}

fn means(gaps: &[(f64, f64, f64)]) -> Result<crate::Figure, Error> {
    let axis = |text| Axis::new(text, 0.0, 1.0);
    let mut plot = Plot::new(axis("scaled weights: probability of the own class"), axis("arithmetic mean"));
    plot.curve(|x| x, Tone::Soft, Stroke::Thin);
    for (p, tone, mark) in
        [(0.2, Tone::First, Mark::Dot), (0.5, Tone::Second, Mark::Cross), (0.8, Tone::Third, Mark::Ring)]
    {
        let points = gaps.iter().filter(|(rate, ..)| *rate == p).map(|&(_, scaled, arithmetic)| (scaled, arithmetic));
        plot.points(points, tone, mark);
    }
    plot.label(0.03, 0.93, "dots: p = 0.2", Tone::First, Side::Right);
    plot.label(0.03, 0.84, "crosses: p = 0.5", Tone::Second, Side::Right);
    plot.label(0.03, 0.75, "rings: p = 0.8", Tone::Third, Side::Right);
    plot.figure("The arithmetic mean is not the scaled network: it is less certain where that is certain.")
}
