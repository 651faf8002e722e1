//! The normalised weighted geometric mean of a logistic unit, and how far it is from the mean.

use wgpu_dropout::Dropout;

use crate::{
    Axis, Check, Error, Estimate, Family, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits,
};

pub const STUDY: Study = Study {
    name: "nwgm",
    title: "The geometric mean of a logistic unit, and a bound that breaks",
    claim: "For a logistic unit the normalised weighted geometric mean over all masks is the unit at the mean of its sum, exactly. \
            The bound 2E(1 − E)|1 − 2E| on its distance from the true mean E, as it is often quoted, holds for small sums only.",
    source: "Baldi, Sadowski, NeurIPS 2013",
    formula: r"\mathrm{NWGM} = \frac{\prod_s \sigma(S_s)^{\pi_s}}{\prod_s \sigma(S_s)^{\pi_s} + \prod_s (1 - \sigma(S_s))^{\pi_s}}
               = \sigma(\mathbb{E}\,S), \qquad |E - \mathrm{NWGM}| \overset{?}{\le} 2E(1 - E)\,|1 - 2E|",
    measurement: "Units with six inputs of 1, no bias, normal weights and p = 0.5. All 64 masks of each unit are applied on the GPU \
                  as packed masks, standard and inverted, so that both means are exact; then the units that break the bound are \
                  counted.",
    fault: "the geometric mean without its normalisation",
    run,
};

const INPUTS: usize = 6;
const MASKS: usize = 1 << INPUTS;
/// Standard deviations of the weights.
const SPREADS: [f64; 6] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
/// What an independent program counted, for spreads of 0.5, 2 and 4: standard, inverted.
const COUNTED: [(f64, f64, f64); 3] = [(0.5, 0.0, 0.0), (2.0, 0.18, 0.56), (4.0, 0.57, 0.62)];

/// The exact means of a unit.
struct Unit {
    mean: f64,
    geometric: f64,
    /// σ of the mean sum.
    at_mean: f64,
}

impl Unit {
    fn bound(&self) -> f64 {
        2.0 * self.mean * (1.0 - self.mean) * (1.0 - 2.0 * self.mean).abs()
    }

    fn breaks(&self) -> bool {
        // Rounding alone breaks nothing.
        (self.mean - self.geometric).abs() > self.bound() + 1e-12
    }
}

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let units = lab.size(40_000, 4000);
    let family = Family::of(2 * COUNTED.len());
    let mut checks = vec![];
    let mut table =
        Table::new("Units that break the bound, %", &["standard deviation of weights", "standard", "inverted"]);
    let mut off = 0.0_f64;
    let mut rates = vec![];
    let mut shown = vec![];
    for (number, &spread) in SPREADS.iter().enumerate() {
        let weights: Vec<f64> =
            lab.normals(lab.key(number as u16), units * INPUTS)?.iter().map(|z| z * spread).collect();
        let of_kind = [1.0, Dropout::new(0.5)?.scale()].map(|scale| enumerate(lab, &weights, scale));
        let [standard, inverted] = of_kind;
        let (standard, inverted) = (standard?, inverted?);
        for unit in standard.iter().chain(&inverted) {
            off = off.max((unit.geometric - unit.at_mean).abs());
        }
        let broken = [&standard, &inverted].map(|units| units.iter().filter(|unit| unit.breaks()).count());
        let shares = broken.map(|count| count as f64 / units as f64);
        table.row([digits(spread, 3), digits(100.0 * shares[0], 3), digits(100.0 * shares[1], 3)]);
        rates.push((spread, shares));
        if let Some(&(_, of_standard, of_inverted)) = COUNTED.iter().find(|(of, ..)| *of == spread) {
            for (count, expected, name) in [(broken[0], of_standard, "standard"), (broken[1], of_inverted, "inverted")]
            {
                let what =
                    format!("share of units that break the bound, weights of standard deviation {spread}, {name}");
                checks.push(broken_share(what, count, units, expected, family));
            }
        }
        if [0.5, 2.0, 4.0].contains(&spread) {
            shown.push((spread, standard));
        }
        lab.progress(number + 1, SPREADS.len());
    }
    let because = "sums are made in f32 products, means in f64";
    checks.insert(0, Check::at_most("NWGM − σ(E S) over all units: the largest distance", off, 1e-9, because));
    let broken =
        |spread: f64| rates.iter().find(|(of, _)| *of == spread).map_or(f64::NAN, |(_, shares)| 100.0 * shares[0]);
    let verdict = format!(
        "NWGM is σ(E S) to {}; the bound is broken by {} %, {} % and {} % of the units with weights of standard deviation 0.5, 2 \
         and 4.",
        digits(off, 2),
        digits(broken(0.5), 2),
        digits(broken(2.0), 2),
        digits(broken(4.0), 2),
    );
    let figures = vec![bound_figure(&shown)?, rates_figure(&rates, units)?];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks: vec![REMARK.into()] })
}

const REMARK: &str = "Why it breaks: where half of the sub-networks say nearly 0 and half nearly 1, E is near 1/2 and the bound near \
                      0, while σ(E S) follows whichever sums are larger and is anywhere. With small weights all sums are near 0, \
                      σ is nearly a line there, and the two means nearly one. A share of 0 is a rounded \
                      one: the table has what is left of it.";

/// Holds when the share is the one that was counted elsewhere, which was given to a whole per cent.
fn broken_share(what: String, count: usize, units: usize, expected: f64, family: Family) -> Check {
    let estimate = Estimate::share(count, units, expected);
    let check = Check::agrees(what, estimate, expected, family);
    let [low, high] = [check.interval[0] - 0.01, check.interval[1] + 0.01];
    Check {
        interval: [low, high],
        because: format!("{}, and 0.01 for the rounding of what was counted elsewhere", check.because),
        holds: (low..=high).contains(&expected),
        ..check
    }
}

/// All masks of each unit. The sums of a mask are those of the weights that it keeps, as the device leaves them.
fn enumerate(lab: &Lab<'_>, weights: &[f64], scale: f32) -> Result<Vec<Unit>, Error> {
    let repeated: Vec<f32> = weights.chunks(INPUTS).flat_map(|unit| unit.repeat(MASKS)).map(|w| w as f32).collect();
    // 64 masks of 6 bits, the same for every unit: 12 words.
    let mut words = [0_u32; MASKS * INPUTS / 32];
    for bit in (0..MASKS * INPUTS).filter(|bit| ((bit / INPUTS) >> (bit % INPUTS)) & 1 == 1) {
        words[bit / 32] |= 1 << (bit % 32);
    }
    let packed = words.repeat(weights.len() / INPUTS);
    let kept = lab.context.apply_mask_blocking(&packed, scale, &repeated)?;
    let weight = 1.0 / MASKS as f64;
    let unit = |all: &[f32]| {
        let sums: Vec<f64> = all.chunks(INPUTS).map(|kept| kept.iter().map(|&w| f64::from(w)).sum()).collect();
        let sigma = |sum: f64| 1.0 / (1.0 + (-sum).exp());
        // ln σ(s), for large sums too.
        let log_sigma = |sum: f64| if sum > 0.0 { -(-sum).exp().ln_1p() } else { sum - sum.exp().ln_1p() };
        let yes: f64 = sums.iter().map(|&sum| log_sigma(sum) * weight).sum();
        let no: f64 = sums.iter().map(|&sum| log_sigma(-sum) * weight).sum();
        let normalised = 1.0 / (1.0 + (no - yes).exp());
        Unit {
            mean: sums.iter().map(|&sum| sigma(sum) * weight).sum(),
            geometric: if lab.fault { yes.exp() } else { normalised },
            at_mean: sigma(sums.iter().sum::<f64>() * weight),
        }
    };
    Ok(kept.chunks(MASKS * INPUTS).map(unit).collect())
}

fn bound_figure(shown: &[(f64, Vec<Unit>)]) -> Result<Figure, Error> {
    let mut plot =
        Plot::new(Axis::new("E, the mean of the unit over all masks", 0.0, 1.0), Axis::new("|E − NWGM|", 0.0, 0.52));
    let bound = |e: f64| 2.0 * e * (1.0 - e) * (1.0 - 2.0 * e).abs();
    plot.band((0..=100).map(|i| f64::from(i) / 100.0).map(|e| (e, 0.0, bound(e))), Tone::Ink);
    for ((_, units), (tone, mark)) in
        shown.iter().zip([(Tone::First, Mark::Speck), (Tone::Second, Mark::Cross), (Tone::Third, Mark::Ring)]).rev()
    {
        let points = units.iter().take(150).map(|unit| (unit.mean, (unit.mean - unit.geometric).abs()));
        plot.points(points, tone, mark);
    }
    plot.curve(bound, Tone::Ink, Stroke::Solid);
    plot.label(0.0, 0.50, "weights of standard deviation", Tone::Ink, Side::Right);
    plot.label(0.0, 0.465, "0.5: dots", Tone::First, Side::Right);
    plot.label(0.0, 0.43, "2: crosses", Tone::Second, Side::Right);
    plot.label(0.0, 0.395, "4: rings", Tone::Third, Side::Right);
    plot.label(0.9, 0.2, "the bound", Tone::Ink, Side::Above);
    plot.figure("150 units of each kind, exactly, with standard masks. Above the curve the bound is broken.")
}

fn rates_figure(rates: &[(f64, [f64; 2])], units: usize) -> Result<Figure, Error> {
    let mut plot = Plot::new(
        Axis::log("standard deviation of the weights", 0.2, 10.0),
        Axis::new("units that break the bound, %", 0.0, 80.0),
    );
    let family = Family::of(2 * rates.len());
    for (kind, tone, mark, name, side) in [
        (0, Tone::First, Mark::Dot, "standard", Side::Right),
        (1, Tone::Second, Mark::Triangle, "inverted", Side::Left),
    ] {
        let points: Vec<_> = rates.iter().map(|(spread, shares)| (*spread, 100.0 * shares[kind])).collect();
        plot.line(points.clone(), tone, if kind == 0 { Stroke::Solid } else { Stroke::Dashed });
        plot.intervals(
            rates.iter().map(|(spread, shares)| {
                let count = (shares[kind] * units as f64) as usize;
                let (low, high) = family.interval(&Estimate::share(count, units, shares[kind]).scaled(100.0));
                (*spread, low, high)
            }),
            tone,
        );
        plot.label(points[3].0, points[3].1, name, tone, side);
        plot.points(points, tone, mark);
    }
    plot.figure("Inverted masks have sums of twice the size, so that they break the bound at half the weights.")
}
