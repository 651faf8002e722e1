//! How far normals lie from what chance explains: scores, close to standard normal for a sound source.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::scores::Worst;

/// Φ(x), and 1 − Φ(x) as Φ(−x).
fn phi(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The scores of the means of z, z² − 1, z³ and z⁴ − 3, whose variances are 1, 2, 15 and 96.
pub fn moments(normals: &[f64]) -> [f64; 4] {
    let mut sums = [0.0; 4];
    for &z in normals {
        let square = z * z;
        for (sum, term) in sums.iter_mut().zip([z, square - 1.0, square * z, square * square - 3.0]) {
            *sum += term;
        }
    }
    let variances = [1.0, 2.0, 15.0, 96.0];
    std::array::from_fn(|i| sums[i] / f64::sqrt(variances[i] * normals.len() as f64))
}

/// Adds the scores of a·b, of (a² − 1)·(b² − 1) and of a·(b² − 1) and (a² − 1)·b, for pairs from the start of both: of the
/// signs, of the sizes, and of one with the other.
pub fn dependence(worst: &mut Worst, a: &[f64], b: &[f64], place: impl Fn() -> String) {
    let mut sums = [0.0; 4];
    for (&a, &b) in a.iter().zip(b) {
        let (size_a, size_b) = (a * a - 1.0, b * b - 1.0);
        for (sum, term) in sums.iter_mut().zip([a * b, size_a * size_b, a * size_b, size_a * b]) {
            *sum += term;
        }
    }
    let pairs = a.len().min(b.len()) as f64;
    let kinds = ["z and z", "sizes", "z and size", "size and z"];
    for ((sum, variance), kind) in sums.into_iter().zip([1.0, 4.0, 2.0, 2.0]).zip(kinds) {
        worst.add(sum / f64::sqrt(variance * pairs), || format!("{}: {kind}", place()));
    }
}

/// The counts in 256 cells of equal probability.
pub fn cells(normals: &[f64]) -> [u32; 256] {
    let mut counts = [0; 256];
    normals.iter().for_each(|&z| counts[(phi(z) * 256.0).min(255.0) as usize] += 1);
    counts
}

/// The score of the largest distance of the distribution functions, of sorted normals.
pub fn kolmogorov_smirnov(sorted: &[f64]) -> f64 {
    let n = sorted.len() as f64;
    let distances = sorted.iter().enumerate().map(|(i, &z)| {
        let wanted = phi(z);
        (wanted - i as f64 / n).max((i + 1) as f64 / n - wanted)
    });
    let distance = distances.fold(0.0, f64::max);
    // Stephens (1970): with this factor the limit's distribution holds for any n.
    score_of(kolmogorov_tail(distance * (n.sqrt() + 0.12 + 0.11 / n.sqrt())))
}

/// The score of Anderson's and Darling's distance, which weighs the tails, of sorted normals.
pub fn anderson_darling(sorted: &[f64]) -> f64 {
    let n = sorted.len() as f64;
    let both_ends = sorted.iter().zip(sorted.iter().rev());
    let terms = both_ends.enumerate().map(|(i, (&low, &high))| (2 * i + 1) as f64 * (phi(low).ln() + phi(-high).ln()));
    score_of(anderson_darling_tail(-n - terms.sum::<f64>() / n))
}

/// The probability that √n times Kolmogorov's distance is larger.
pub fn kolmogorov_tail(distance: f64) -> f64 {
    if distance < 0.3 {
        // 1 to ten digits, where the series converges slowly.
        return 1.0;
    }
    let terms =
        (1..=40).map(|k| if k % 2 == 1 { 1.0 } else { -1.0 } * (-2.0 * f64::from(k * k) * distance.powi(2)).exp());
    2.0 * terms.sum::<f64>()
}

/// The probability that Anderson's and Darling's A² is larger, in the tail. A² is the sum of χ²ⱼ/(j(j + 1)), j from 1, each
/// of one degree of freedom, whose tail is that of the first term times Π (1 − 2/(j(j + 1)))^(−1/2) over the others,
/// which is √3 (Zolotarev, 1961).
pub fn anderson_darling_tail(statistic: f64) -> f64 {
    (3f64.sqrt() * libm::erfc(statistic.max(0.0).sqrt())).min(1.0)
}

/// How many standard deviations, up or down, a normal variable leaves with this probability.
pub fn score_of(probability: f64) -> f64 {
    if probability.is_nan() {
        return f64::NAN;
    }
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let wider = libm::erfc(middle / SQRT_2) > probability;
        if wider { low = middle } else { high = middle }
    }
    low
}
