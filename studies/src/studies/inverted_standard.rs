//! Inverted and standard dropout are one algorithm, written in two ways.

use nalgebra::DMatrix;
use wgpu_dropout::{Dropout, Kind};

use crate::{
    Axis, Check, Error, Estimate, Family, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
    softmax::Layer,
};

pub const STUDY: Study = Study {
    name: "inverted-standard",
    title: "Inverted dropout is standard dropout",
    claim: "Both keep the mean that a layer sees the same in training and in evaluation: inverted dropout by dividing by q in \
            training, standard dropout by multiplying by q in evaluation. They train the same function, once the learning rate \
            of the weights is divided by q².",
    source: "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, JMLR 15, 2014, section 10",
    formula: r"W\,\frac{s \odot x}{q} = V\,(s \odot x) \;\Longleftrightarrow\; V = \frac{W}{q}, \qquad
               \frac{\partial L}{\partial W} = \frac{1}{q}\,\frac{\partial L}{\partial V} \;\Longrightarrow\;
               \eta_V = \frac{\eta_W}{q^2}",
    measurement: "A softmax layer is trained on 1,200 digits twice, with the same masks on its input: once with inverted and once \
                  with standard dropout. After the last step the logits of the other 597 digits are compared in evaluation.",
    fault: "the learning rate of standard dropout not divided by q²",
    run,
};

const RATES: [f64; 3] = [0.2, 0.5, 0.8];
const TRAINED: usize = 1200;
const BATCH: usize = 100;
const RATE: f64 = 0.2;

/// What one way of writing dropout gave.
struct Trained {
    /// Of the test digits, in evaluation.
    logits: DMatrix<f64>,
    /// After each step.
    losses: Vec<f64>,
}

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let digits_table = &lab.data.digits;
    let x: Vec<f32> = digits_table.rows().iter().map(|x| x / 16.0).collect();
    let labels: Vec<usize> = digits_table.y.iter().map(|&y| y as usize).collect();
    let steps = lab.size(480, 120);
    let samples = lab.size(256, 64);
    let family = Family::of(2 * RATES.len());

    let mut checks = vec![];
    let mut means = vec![];
    for (number, &p) in RATES.iter().enumerate() {
        for (kind, name) in [(Kind::Inverted, "inverted"), (Kind::Standard, "standard")] {
            let dropout = Dropout::of_kind(kind, p)?;
            let key = lab.key(number as u16);
            let evaluated = lab.context.forward_blocking(&dropout.with_training(false).mask(key), &x)?;
            let trained = lab.moments(dropout.mask(key), &x, samples)?.mean;
            let mean = |values: &[f32]| values.iter().map(|&y| f64::from(y)).sum::<f64>() / values.len() as f64;
            let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
            let factor = if kind == Kind::Inverted { p / (1.0 - p) } else { p * (1.0 - p) };
            let error = (squares * factor / samples as f64).sqrt() / x.len() as f64;
            let estimate = Estimate::known(mean(&trained), error);
            let what = format!("mean pixel in training, {name}, p = {p}; theory: in evaluation");
            checks.push(Check::agrees(what, estimate, mean(&evaluated), family));
            means.push((kind, p, estimate));
        }
    }

    let mut table =
        Table::new("The end of training", &["p", "steps", "test loss, inverted", "standard", "largest logit"]);
    let mut worst = 0.0_f64;
    let mut shown = None;
    for (number, &p) in RATES.iter().enumerate() {
        let train = |kind, rate_of_weights| train(lab, kind, p, rate_of_weights, steps, &x, &labels);
        let rescaled = RATE / (1.0 - p).powi(2);
        let inverted = train(Kind::Inverted, RATE)?;
        let standard = train(Kind::Standard, if lab.fault { RATE } else { rescaled })?;
        let largest = inverted.logits.amax();
        let off = (&inverted.logits - &standard.logits).amax() / largest;
        worst = worst.max(off);
        checks.push(Check::at_most(
            format!("logits after {steps} steps, p = {p}: largest difference, relative to the largest logit"),
            off,
            1e-6,
            "the f32 rounding of q·x in evaluation; pixels and 1/q are exact in f32, and the layer is computed in f64",
        ));
        let last = |losses: &[f64]| digits(losses.last().copied().unwrap_or(f64::NAN), 6);
        let row = [digits(p, 1), steps.to_string(), last(&inverted.losses), last(&standard.losses), digits(largest, 3)];
        table.row(row);
        if p == 0.5 {
            shown = Some((inverted, standard, train(Kind::Standard, RATE)?));
        }
        lab.progress(number + 1, RATES.len());
    }
    let (inverted, standard, unscaled) = shown.ok_or("no rate is shown")?;
    let verdict = format!(
        "After {steps} steps the logits of the two differ by {} of the largest one, where different masks or rates \
         would differ in the first digit.",
        digits(worst, 2)
    );
    let figures = vec![losses_figure(&inverted, &standard, &unscaled)?, means_figure(&means, &x, family)?];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks: vec![REMARK.into()] })
}

const REMARK: &str = "With the same learning rate for both, standard dropout trains more slowly, not otherwise: that is why a \
                      recipe of 2014 asks for a larger one, and why copying a learning rate from one to the other changes the \
                      result. The bias is not behind dropout, so its rate stays.";

fn train(
    lab: &Lab<'_>,
    kind: Kind,
    p: f64,
    rate_of_weights: f64,
    steps: usize,
    x: &[f32],
    labels: &[usize],
) -> Result<Trained, Error> {
    let dropout = Dropout::of_kind(kind, p)?;
    // In evaluation standard dropout multiplies x by q.
    let test = lab.context.forward_blocking(&dropout.with_training(false).mask(lab.key(0)), &x[TRAINED * 64..])?;
    let test = DMatrix::from_vec(64, labels.len() - TRAINED, test).map(f64::from);
    let mut layer = Layer::new(10, 64);
    let mut losses = vec![];
    for step in 0..steps {
        let first = step * BATCH % TRAINED;
        let batch = &x[first * 64..(first + BATCH) * 64];
        // A mask for each step, the same for both kinds.
        let mask = dropout.mask(lab.key(100).with_step(step as u32));
        let dropped = lab.context.forward_blocking(&mask, batch)?;
        let dropped = DMatrix::from_vec(64, BATCH, dropped).map(f64::from);
        layer.step(&dropped, &labels[first..first + BATCH], rate_of_weights, RATE);
        losses.push(layer.loss(&test, &labels[TRAINED..]));
    }
    Ok(Trained { logits: layer.logits(&test), losses })
}

fn losses_figure(inverted: &Trained, standard: &Trained, unscaled: &Trained) -> Result<crate::Figure, Error> {
    let steps = inverted.losses.len();
    let mut plot = Plot::new(Axis::new("step", 0.0, steps as f64), Axis::new("loss of test digits", 0.0, 2.4));
    let points = |trained: &Trained| -> Vec<(f64, f64)> {
        trained.losses.iter().enumerate().map(|(step, &loss)| (step as f64 + 1.0, loss)).collect()
    };
    plot.line(points(unscaled), Tone::Second, Stroke::Dashed);
    plot.line(points(inverted), Tone::First, Stroke::Solid);
    let every = steps / 12;
    plot.points(points(standard).into_iter().skip(every - 1).step_by(every), Tone::Ink, Mark::Ring);
    let at = |trained: &Trained, part: f64| trained.losses[(part * steps as f64) as usize];
    let (x, y) = (0.6 * steps as f64, at(unscaled, 0.6) + 0.2);
    plot.label(x, y, "standard, the same rate", Tone::Second, Side::Above);
    plot.label(0.42 * steps as f64, at(inverted, 0.42) - 0.12, "inverted (line),", Tone::First, Side::Below);
    plot.label(0.42 * steps as f64, at(inverted, 0.42) - 0.3, "standard, rate ÷ q² (rings)", Tone::Ink, Side::Below);
    plot.figure("Training at p = 0.5 with the same masks. With the learning rate divided by q² the two are one curve.")
}

fn means_figure(means: &[(Kind, f64, Estimate)], x: &[f32], family: Family) -> Result<crate::Figure, Error> {
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64;
    let mut plot = Plot::new(Axis::new("drop probability p", 0.0, 1.0), Axis::new("mean pixel", 0.0, 0.4));
    plot.level(mean, Tone::First, Stroke::Solid);
    plot.curve(|p| (1.0 - p) * mean, Tone::Second, Stroke::Dashed);
    for &(kind, p, estimate) in means {
        let (tone, mark) =
            if kind == Kind::Inverted { (Tone::First, Mark::Dot) } else { (Tone::Second, Mark::Triangle) };
        let (low, high) = family.interval(&estimate);
        plot.intervals([(p, low, high)], tone);
        plot.points([(p, estimate.value)], tone, mark);
    }
    plot.label(0.35, mean + 0.01, "inverted", Tone::First, Side::Above);
    plot.label(0.62, 0.4 * mean, "standard", Tone::Second, Side::Right);
    plot.figure("Means: lines in evaluation, marks in training. Intervals are smaller than the marks.")
}
