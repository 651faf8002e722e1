//! The figures of a census, and what they have to be.

use crate::{
    census::{Census, value},
    inverse::above,
};

/// One figure of the report.
pub struct Figure {
    pub name: &'static str,
    /// As it is printed.
    pub found: String,
    pub wanted: &'static str,
    pub holds: bool,
}

const WORDS: f64 = 4_294_967_296.0;

/// Every figure. The wanted ones are the format's: docs/keep-rule.md gives them for its table, and a program that shares
/// no code with this one found them first.
pub fn figures(census: &Census) -> Vec<Figure> {
    let tallest = census.counts.iter().rposition(|&count| count > 0).unwrap_or(0);
    let (second, fourth) = (moment(census, 2), moment(census, 4));
    let beyond_6 = 2 * census.counts[(6 << 21) + 1..].iter().map(|&count| u64::from(count)).sum::<u64>();
    let zeros = 2 * u64::from(census.counts[0]);
    let exactly = |name, found: u64, wanted: u64, text| Figure {
        name,
        found: found.to_string(),
        wanted: text,
        holds: found == wanted,
    };
    // Those that are given to a few digits hold when they round to them.
    let rounded = |name, found: f64, digits: usize, text: &'static str| {
        let short = format!("{found:.digits$e}");
        Figure { name, found: format!("{found:.5e}"), wanted: text, holds: short == text }
    };
    vec![
        rounded("largest error", census.largest_error, 2, "2.88e-6"),
        Figure {
            name: "largest |z|",
            found: format!("{:.5}", value(tallest as i32)),
            wanted: "6.33796",
            holds: format!("{:.5}", value(tallest as i32)) == "6.33796",
        },
        exactly("words that give 0", zeros, 0, "0"),
        exactly("words not the mirror image of their opposite", census.astray, 0, "0"),
        Figure { name: "mean", found: census.sum.to_string(), wanted: "0", holds: census.sum == 0 },
        rounded("variance - 1", second - 1.0, 1, "7.6e-7"),
        rounded("excess kurtosis", fourth / (second * second) - 3.0, 1, "-2.0e-6"),
        rounded("distance of the distribution functions", distance(census), 1, "1.0e-6"),
        Figure {
            name: "words beyond 6",
            found: format!("{beyond_6} ({:.2} expected)", 2.0 * above(6.0) * WORDS),
            wanted: "8 (8.47 expected)",
            holds: beyond_6 == 8,
        },
        exactly("highest rise, units of 2^-21", census.highest_rise as u64, 2, "2"),
    ]
}

/// The mean of z^power, power even and at most 4: the sum is an exact integer below 2¹²⁸.
fn moment(census: &Census, power: u32) -> f64 {
    let sum: u128 = census
        .counts
        .iter()
        .enumerate()
        .map(|(z, &count)| (z as u128).pow(power) * u128::from(2 * u64::from(count)))
        .sum();
    let unit = f64::from(1 << 21).powi(power as i32);
    // The rounding of the sum is the only one: the rest are powers of two.
    sum as f64 / unit / WORDS
}

/// Kolmogorov's: the largest difference between the share of words that give at most x, and Φ(x).
///
/// It is at a value that occurs, just below it or there. By symmetry the upper half is enough.
fn distance(census: &Census) -> f64 {
    let mut words_above: u64 = 0;
    let mut distance: f64 = 0.0;
    for (z, &count) in census.counts.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
        let wanted = above(value(z as i32));
        for words in [words_above, words_above + u64::from(count)] {
            distance = distance.max((words as f64 / WORDS - wanted).abs());
        }
        words_above += u64::from(count);
    }
    distance
}
