//! Neighbours tell what elementwise dropout hides; DropBlock hides them too.

use nalgebra::{DMatrix, DVector};
use wgpu_dropout::{BlockScaling, DropBlock};

use crate::{
    Axis, Check, Error, Estimate, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
    trained::{Trained, difference, interval},
};

pub const STUDY: Study = Study {
    name: "drop-block",
    title: "Neighbours tell what dropout hides",
    claim: "In images, elementwise dropout hides hardly any information, because a dropped pixel can be told from its neighbours. \
            DropBlock drops squares, so that at the same rate most of the neighbours are gone too, and networks have to do without.",
    source: "Ghiasi, Lin, Le, NeurIPS 2018",
    formula: r"R^2 = 1 - \frac{\sum_{\text{dropped}} (x - \hat{x})^2}{\sum_{\text{dropped}} (x - \bar{x})^2},
               \qquad \hat{x} = \bar{x} + \sum_{\text{kept neighbours}} w_k\,(x_k - \bar{x}_k) + \sum_k b_k\, m_k",
    measurement: "Digits of 32×32 pixels (the data’s 8×8, interpolated) are dropped with blocks of 1, which is elementwise dropout, to \
                  11 pixels, all with the same share of pixels dropped. A linear regression on the 24 nearest pixels, those that \
                  are kept, predicts the dropped ones; it is fitted to 1,200 digits and tested on the other 597. R² is what it knows \
                  beyond the mean of each pixel. Then small convolutional networks learn from 100 digits each, of 16×16 pixels: nothing is \
                  dropped of the features of their first convolution, or elements, or blocks of 5×5 at the same expected rate (DropBlock’s \
                  p is 0.3). Each is tested on 200 others with nothing dropped, and under masks of both kinds.",
    fault: "the mask of elementwise dropout used for every size of block, in networks too",
    run,
};

const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;
const TRAINED: usize = 1200;
const BLOCKS: [u64; 6] = [1, 3, 5, 7, 9, 11];
/// The share of pixels that is dropped.
const RATE: f64 = 0.15;
/// How far neighbours are.
const REACH: isize = 2;
const NEIGHBOURS: usize = 24;
const FEATURES: usize = 2 * NEIGHBOURS + 1;
/// Groups of test digits, for the jackknife.
const GROUPS: usize = 30;

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let images = upscaled(&lab.data.digits.x);
    let family = Family::of(BLOCKS.len() + 3);
    let mut table = Table::new("Sizes of blocks", &["block", "dropped, %", "R²", "interval"]);
    let mut found: Vec<(u64, Vec<Group>, Estimate)> = vec![];
    let mut dropped_share = vec![];
    let mut shown = vec![];
    for (number, &block) in BLOCKS.iter().enumerate() {
        let keep = masks(lab, block, images.len() / PIXELS)?;
        let share = keep.iter().filter(|keep| !**keep).count() as f64 / keep.len() as f64;
        let groups = predict(lab, &images, &keep);
        let estimate = Estimate::jackknife(&groups, |groups| r_squared(groups));
        let (low, high) = family.interval(&estimate);
        let name = format!("{block}×{block}");
        table.row([
            name,
            digits(100.0 * share, 3),
            digits(estimate.value, 4),
            format!("{} to {}", digits(low, 4), digits(high, 4)),
        ]);
        dropped_share.push((block, share));
        found.push((block, groups, estimate));
        if block == 1 || block == 7 {
            shown.push((block, keep[..PIXELS].to_vec()));
        }
        lab.progress(number + 1, BLOCKS.len() + 1);
    }
    let trained = Trained::new(lab, "drop-block")?;
    let elementwise = &found[0];
    let mut checks: Vec<Check> = dropped_share
        .iter()
        .map(|&(block, share)| {
            let because = "the same rate for all; blocks fall where they fall, over 1.8 million pixels";
            Check::near(format!("share of pixels that blocks of {block}×{block} drop"), share, RATE, 0.01, because)
        })
        .collect();
    checks.push(Check::above("R² of elementwise dropout", elementwise.2, 0.9, family));
    for (block, groups, _) in &found[1..] {
        // The same digits in each group: their differences have less chance in them.
        let pairs: Vec<(&Group, &Group)> = elementwise.1.iter().zip(groups).collect();
        let difference = Estimate::jackknife(&pairs, |pairs| {
            let (of_elements, of_blocks): (Vec<&Group>, Vec<&Group>) = pairs.map(|&(a, b)| (a, b)).unzip();
            r_squared(&mut of_elements.into_iter()) - r_squared(&mut of_blocks.into_iter())
        });
        checks.push(Check::above(format!("R² of dropout − R² of blocks of {block}×{block}"), difference, 0.0, family));
    }
    let networks = Networks::new(&trained, family)?;
    checks.extend(networks.checks);
    let of =
        |size: u64| found.iter().find(|(block, ..)| *block == size).map_or(f64::NAN, |(.., estimate)| estimate.value);
    let verdict = format!(
        "Of a pixel that dropout hides, its neighbours tell {} % (R²); with blocks of 7×7 at the same rate {} %, of 11×11 {} %. {}",
        digits(100.0 * of(1), 3),
        digits(100.0 * of(7), 3),
        digits(100.0 * of(11), 3),
        networks.verdict,
    );
    let figures = vec![curve(&found, family)?, pictures(&images[..PIXELS], &shown)?, networks.figure];
    let remarks = vec![REMARK.into(), networks.remark];
    Ok(Findings { verdict, checks, tables: vec![table, networks.table], figures, remarks })
}

const REMARK: &str = "Blocks do not take the information quite away: pixels at a block’s edge still have neighbours, the fewer the \
                      larger the block. Blocks overlap, so DropBlock’s own p is set higher than the share that it drops: here it is \
                      chosen so that the expected share is the same for all sizes.";

/// What networks are trained with, and what is dropped in their test: names of lists, and words.
const NOISES: [(&str, &str); 3] = [("none", "nothing"), ("dropout", "elements"), ("DropBlock", "blocks")];

/// What the convolutional networks have to say.
struct Networks {
    checks: Vec<Check>,
    verdict: String,
    remark: String,
    table: Table,
    figure: Figure,
}

impl Networks {
    fn new(trained: &Trained, family: Family) -> Result<Self, Error> {
        let accuracy = |of: &str, under: &str| trained.list(&format!("{of}, {under}: accuracy"));
        let log = |of: &str, under: &str| -> Result<Vec<f64>, Error> {
            Ok(trained.list(&format!("{of}, {under}: loss"))?.iter().map(|loss| loss.ln()).collect())
        };
        // Of a network, the mean over what it was trained with.
        let mean = |under: &str| -> Result<Vec<f64>, Error> {
            let logs = [log("none", under)?, log("dropout", under)?, log("DropBlock", under)?];
            Ok((0..logs[0].len()).map(|i| logs.iter().map(|log| log[i]).sum::<f64>() / 3.0).collect())
        };
        let taken = difference(&mean("DropBlock")?, &mean("dropout")?);
        let learnt = difference(&log("none", "DropBlock")?, &log("DropBlock", "DropBlock")?);
        let checks = vec![Check::above("networks: log of loss under blocks ÷ loss under elements", taken, 0.0, family)];
        let better = difference(accuracy("DropBlock", "none")?, accuracy("dropout", "none")?);
        let (low, high) = family.interval(&better);
        let times = |log: Estimate| format!("{} times", digits(log.value.exp(), 2));
        let ranges = interval(&better, family, 100.0);
        let verdict = format!(
            "In networks blocks make the loss {} what elements of the same rate do, {} where blocks were met in training. With nothing \
             dropped in the test, those trained with blocks are {} points of accuracy from those trained with elements, {ranges}: {}.",
            times(taken),
            times(difference(&log("DropBlock", "DropBlock")?, &log("DropBlock", "dropout")?)),
            digits(100.0 * better.value, 2),
            if low > 0.0 {
                "better"
            } else if high < 0.0 {
                "worse, so small as they are"
            } else {
                "not to be told apart"
            },
        );
        let (least, most) = family.interval(&learnt);
        let remark = format!(
            "On ImageNet, a ResNet-50 trained with DropBlock was 1.3 points better than with dropout of elements (Ghiasi, Lin, Le, 2018). \
             That is {} here, with four channels on pictures of 16×16. What networks learn from blocks is to see in spite of them: under \
             blocks, the loss of those trained with nothing dropped is {} theirs, {} to {}.",
            if low > 0.0 { "so" } else { "not seen" },
            times(learnt),
            digits(least.exp(), 2),
            digits(most.exp(), 2),
        );
        let mut table = Table::new(
            "Accuracy of the networks on unseen digits, %: what is dropped in the test",
            &["dropped in training", "nothing", "interval", "elements", "interval", "blocks", "interval"],
        );
        for (of, words) in NOISES {
            let mut row = vec![words.to_owned()];
            for (under, _) in NOISES {
                let estimate = Estimate::mean(accuracy(of, under)?);
                row.extend([digits(100.0 * estimate.value, 3), interval(&estimate, family, 100.0)]);
            }
            table.row(row);
        }
        Ok(Self { checks, verdict, remark, table, figure: accuracies(trained, family)? })
    }
}

/// Each kind of training under each kind of mask.
fn accuracies(trained: &Trained, family: Family) -> Result<Figure, Error> {
    let ticks = NOISES.iter().zip(0_u32..).map(|((_, words), x)| (f64::from(x), *words));
    let mut plot = Plot::new(
        Axis::new("dropped in the test", -0.4, 2.4).with_ticks(ticks),
        Axis::new("accuracy on unseen digits, %", 50.0, 108.0)
            .with_ticks([50, 60, 70, 80, 90, 100].map(|y| (f64::from(y), y.to_string()))),
    );
    for ((of, _), (shift, tone, mark)) in NOISES.into_iter().zip([
        (-0.15, Tone::Soft, Mark::Triangle),
        (0.0, Tone::Second, Mark::Ring),
        (0.15, Tone::First, Mark::Dot),
    ]) {
        for ((under, _), x) in NOISES.into_iter().zip(0_u32..) {
            let estimate = trained.mean(&format!("{of}, {under}: accuracy"))?.scaled(100.0);
            let (x, (low, high)) = (f64::from(x) + shift, family.interval(&estimate));
            plot.intervals([(x, low, high)], tone);
            plot.points([(x, estimate.value)], tone, mark);
        }
    }
    plot.label(-0.38, 104.5, "trained with", Tone::Ink, Side::Right);
    plot.label(0.46, 104.5, "▲ nothing", Tone::Soft, Side::Right);
    plot.label(1.12, 104.5, "○ elements", Tone::Second, Side::Right);
    plot.label(1.83, 104.5, "● blocks", Tone::First, Side::Right);
    plot.figure(
        "Convolutional networks, by what was dropped of their features in training and in the test, with intervals.",
    )
}

/// 8×8 to 32×32, linearly between the centres of pixels; 0 to 1, image after image.
fn upscaled(x: &DMatrix<f64>) -> Vec<f32> {
    let weights = |i: usize| {
        let place = ((i as f64 + 0.5) / 4.0 - 0.5).clamp(0.0, 7.0);
        let low = (place as usize).min(6);
        (low, place - low as f64)
    };
    let pixel = |digit: usize, i: usize| {
        let ((row, down), (column, right)) = (weights(i / SIDE), weights(i % SIDE));
        let at = |row: usize, column: usize| x[(digit, row * 8 + column)] / 16.0;
        let along = |row: usize| at(row, column) * (1.0 - right) + at(row, column + 1) * right;
        along(row) * (1.0 - down) + along(row + 1) * down
    };
    (0..x.nrows())
        .flat_map(|digit| (0..PIXELS).map(move |i| (digit, i)))
        .map(|(digit, i)| pixel(digit, i) as f32)
        .collect()
}

/// Which pixels are kept: masks of the device, of this block size, with the expected share dropped.
fn masks(lab: &Lab<'_>, block: u64, images: usize) -> Result<Vec<bool>, Error> {
    let size = if lab.fault { 1 } else { block };
    let shape = [images as u64, SIDE as u64, SIDE as u64];
    // A key for each size, but for the fault, which takes one mask again and again.
    let key = lab.key(size as u16);
    let mask = |p: f64| DropBlock::new(p, &[size, size])?.with_scaling(BlockScaling::None).mask(key, &shape);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if 1.0 - 1.0 / f64::from(mask(middle)?.expected_scale()?) < RATE { low = middle } else { high = middle }
    }
    let mut words = vec![0_u32; (images * PIXELS).div_ceil(32)];
    lab.context.run_pass_blocking(mask(low)?.packed_mask(&mut words[..]))?;
    Ok((0..images * PIXELS).map(|i| words[i / 32] >> (i % 32) & 1 == 1).collect())
}

/// What is left unexplained of a group of test digits, and what there is to explain.
struct Group {
    unexplained: f64,
    all: f64,
}

fn r_squared(groups: &mut dyn Iterator<Item = &Group>) -> f64 {
    let (unexplained, all) =
        groups.fold((0.0, 0.0), |(unexplained, all), group| (unexplained + group.unexplained, all + group.all));
    1.0 - unexplained / all
}

/// Fits the regression to the first digits and tests it on the others.
fn predict(lab: &Lab<'_>, images: &[f32], keep: &[bool]) -> Vec<Group> {
    // A quick run fits to every third digit: there are enough dropped pixels.
    let every = lab.size(1, 3);
    let means: Vec<f64> = (0..PIXELS)
        .map(|pixel| (0..TRAINED).map(|digit| f64::from(images[digit * PIXELS + pixel])).sum::<f64>() / TRAINED as f64)
        .collect();
    let dropped = |digit: usize| (0..PIXELS).filter(move |pixel| !keep[digit * PIXELS + pixel]);
    let centred = |digit: usize, pixel: usize| f64::from(images[digit * PIXELS + pixel]) - means[pixel];
    let features = |digit: usize, pixel: usize| -> [f64; FEATURES] {
        let mut features = [0.0; FEATURES];
        features[FEATURES - 1] = 1.0;
        let (row, column) = ((pixel / SIDE) as isize, (pixel % SIDE) as isize);
        let around = (-REACH..=REACH).flat_map(|down| (-REACH..=REACH).map(move |right| (down, right)));
        for (k, (down, right)) in around.filter(|step| *step != (0, 0)).enumerate() {
            let (row, column) = (row + down, column + right);
            let inside = 0..SIDE as isize;
            if inside.contains(&row) && inside.contains(&column) {
                let other = row as usize * SIDE + column as usize;
                if keep[digit * PIXELS + other] {
                    features[k] = centred(digit, other);
                    features[NEIGHBOURS + k] = 1.0;
                }
            }
        }
        features
    };
    let mut gram = DMatrix::identity(FEATURES, FEATURES) * 1e-3;
    let mut right = DVector::zeros(FEATURES);
    for digit in (0..TRAINED).step_by(every) {
        let pixels: Vec<usize> = dropped(digit).collect();
        let columns: Vec<f64> = pixels.iter().flat_map(|&pixel| features(digit, pixel)).collect();
        let columns = DMatrix::from_vec(FEATURES, pixels.len(), columns);
        let targets = DVector::from_iterator(pixels.len(), pixels.iter().map(|&pixel| centred(digit, pixel)));
        gram.gemm(1.0, &columns, &columns.transpose(), 1.0);
        right.gemv(1.0, &columns, &targets, 1.0);
    }
    // Positive definite by the small multiple of the identity.
    let weights = gram.cholesky().map_or_else(|| DVector::zeros(FEATURES), |cholesky| cholesky.solve(&right));
    let digits_tested: Vec<usize> = (TRAINED..images.len() / PIXELS).collect();
    let of_group = |group: &[usize]| {
        let mut sums = Group { unexplained: 0.0, all: 0.0 };
        for &digit in group {
            for pixel in dropped(digit) {
                let target = centred(digit, pixel);
                let prediction: f64 = features(digit, pixel).iter().zip(&weights).map(|(x, w)| x * w).sum();
                sums.unexplained += (target - prediction).powi(2);
                sums.all += target * target;
            }
        }
        sums
    };
    digits_tested.chunks(digits_tested.len().div_ceil(GROUPS)).map(of_group).collect()
}

fn curve(found: &[(u64, Vec<Group>, Estimate)], family: Family) -> Result<Figure, Error> {
    let ticks = BLOCKS.map(|block| (block as f64, format!("{block}×{block}")));
    let mut plot =
        Plot::new(Axis::new("block", 0.0, 12.0).with_ticks(ticks), Axis::new("R² of dropped pixels", 0.0, 1.05));
    let points: Vec<_> = found.iter().map(|(block, _, estimate)| (*block as f64, estimate.value)).collect();
    plot.line(points.clone(), Tone::First, Stroke::Solid);
    plot.intervals(
        found.iter().map(|(block, _, estimate)| {
            let (low, high) = family.interval(estimate);
            (*block as f64, low, high)
        }),
        Tone::Ink,
    );
    plot.points(points.clone(), Tone::Ink, Mark::Dot);
    plot.label(1.2, points[0].1, "elementwise dropout", Tone::First, Side::Right);
    plot.label(points[3].0, points[3].1 + 0.04, "DropBlock", Tone::First, Side::Right);
    plot.figure("How much of a dropped pixel its kept neighbours tell, at the same rate, with intervals.")
}

/// One digit under two masks.
fn pictures(image: &[f32], shown: &[(u64, Vec<bool>)]) -> Result<Figure, Error> {
    let none = |text| Axis::new(text, 0.0, 1.0).with_ticks(Vec::<(f64, String)>::new());
    let mut plot = Plot::new(none("dots: ink that is kept, crosses: dropped"), none("")).with_height(290);
    for (number, (block, keep)) in shown.iter().enumerate() {
        let (left, wide) = (0.03 + 0.5 * number as f64, 0.44 / SIDE as f64);
        let place =
            |i: usize| (left + wide * ((i % SIDE) as f64 + 0.5), 0.9 - 0.88 * ((i / SIDE) as f64 + 0.5) / SIDE as f64);
        let bright = |i: &usize| image[*i] > 0.35;
        plot.points((0..PIXELS).filter(|&i| keep[i]).filter(bright).map(place), Tone::Ink, Mark::Speck);
        plot.points((0..PIXELS).filter(|&i| !keep[i]).map(place), Tone::Second, Mark::SmallCross);
        let name = if *block == 1 { "elementwise dropout".into() } else { format!("blocks of {block}×{block}") };
        plot.label(left + 0.22, 0.9, name, Tone::Ink, Side::Above);
    }
    plot.figure("The first digit, 32×32, under both masks at the same rate.")
}
