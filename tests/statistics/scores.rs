//! Counts of bits, and how far they lie from what chance explains: scores, close to standard normal for a sound rule.

/// What no score of a sound rule may pass. A normal variable does with probability 5.7e-7.
pub const LIMIT: f64 = 5.0;

/// Bits that are 1 with a known probability, 64 a word.
pub struct Bits {
    pub words: Vec<u64>,
    pub probability: f64,
}

/// Places in a word of [`Bits`]: all of them, and lane 0 of each of its eight groups.
pub const EVERY: u64 = u64::MAX;
pub const LANE_0: u64 = 0x0101_0101_0101_0101;

impl Bits {
    /// The 64 bits from a position.
    fn word(&self, position: usize) -> u64 {
        let (word, shift) = (position / 64, position % 64);
        if shift == 0 { self.words[word] } else { self.words[word] >> shift | self.words[word + 1] << (64 - shift) }
    }

    pub fn bit(&self, position: usize) -> u64 {
        self.words[position / 64] >> (position % 64) & 1
    }

    /// The score of the number of ones in the chosen `places` of every 64.
    pub fn rate(&self, places: u64) -> f64 {
        let ones: u32 = self.words.iter().map(|word| (word & places).count_ones()).sum();
        rate_score(f64::from(ones), (self.words.len() as u32 * places.count_ones()).into(), self.probability)
    }

    /// The score of the covariance of the bits in the chosen `places` of every 64 with the bits of `other` that lie
    /// `lag` further on.
    pub fn covariance(&self, other: &Self, lag: usize, places: u64) -> f64 {
        let words = self.words.len() - lag.div_ceil(64);
        let (mut ones, mut both) = (0, 0);
        for (i, &mine) in self.words[..words].iter().enumerate() {
            let mine = mine & places;
            let theirs = other.word(64 * i + lag) & places;
            ones += mine.count_ones() + theirs.count_ones();
            both += (mine & theirs).count_ones();
        }
        let (n, q) = ((words as u32 * places.count_ones()).into(), self.probability);
        // The sum of (a − q)(b − q), whose variance is q(1 − q) squared for each pair, also where pairs overlap.
        (f64::from(both) - q * f64::from(ones) + n * q * q) / (f64::sqrt(n) * q * (1.0 - q))
    }
}

pub fn rate_score(ones: f64, count: f64, probability: f64) -> f64 {
    (ones - count * probability) / (count * probability * (1.0 - probability)).sqrt()
}

/// Chi-square to normal (Wilson and Hilferty, 1931).
pub fn chi_square_score(chi_square: f64, degrees: f64) -> f64 {
    let variance = 2.0 / (9.0 * degrees);
    ((chi_square / degrees).cbrt() - (1.0 - variance)) / variance.sqrt()
}

/// The score of counts in cells of known probability. Cells in which fewer than 10 are expected are taken as one.
pub fn cells_score(counts: &[u32], probability: impl Fn(usize) -> f64) -> f64 {
    let total: u32 = counts.iter().sum();
    let (mut chi_square, mut cells, mut rare) = (0.0, 0.0, (0.0, 0.0));
    let mut add = |count: f64, expected: f64| {
        chi_square += (count - expected).powi(2) / expected;
        cells += 1.0;
    };
    for (cell, &count) in counts.iter().enumerate() {
        let expected = f64::from(total) * probability(cell);
        if expected < 10.0 {
            rare = (rare.0 + f64::from(count), rare.1 + expected);
        } else {
            add(count.into(), expected);
        }
    }
    if rare.1 > 0.0 {
        add(rare.0, rare.1);
    }
    chi_square_score(chi_square, cells - 1.0)
}

/// The worst of many scores.
#[derive(Default)]
pub struct Worst {
    pub score: f64,
    pub place: String,
    pub count: usize,
}

impl Worst {
    pub fn add(&mut self, score: f64, place: impl FnOnce() -> String) {
        self.count += 1;
        // A score that is not a number must not pass: once here, it stays.
        if self.count == 1 || score.is_nan() || score.abs() > self.score.abs() {
            (self.score, self.place) = (score, place());
        }
    }

    pub fn passes(&self) -> bool {
        self.score.abs() < LIMIT
    }
}
