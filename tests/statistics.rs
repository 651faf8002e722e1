//! Statistics of the masks: do the keep decisions behave as independent coin flips where users would notice if they
//! did not, and would these tests notice? Every test is also run on rules broken on purpose ([`FAULTS`]), and each
//! fault must be caught by exactly the tests named beside it.
//!
//! **Scores.** A test makes many scores, each of which is close to a standard normal variable for a sound rule: a
//! count minus its expectation over its standard deviation, with p known and not estimated, or a chi-square brought to
//! normal by the cube root of Wilson and Hilferty. The worst must stay below [`LIMIT`] = 5, which a normal score passes
//! by chance with probability 5.7e-7. A sound rule makes at most [`MOST_SCORES`] = 10,000, so a generator without any
//! flaw would fail for one choice of keys in about 170 (p = 0.1 and 0.9 make some counts skew, which can double that).
//! The keys are fixed: what passes once passes always, and a failure means that the rule has changed.
//!
//! **What they cannot see.** A generator that is wrong but still random, as a multiply-high without its carry
//! (the last fault), passes: only the known answers catch that. Nor do these replace the test batteries that the
//! generators' authors ran over terabytes (Salmon et al., SC 2011); they look at how this library uses them.
//!
//! Only the CPU reference is tested here. Other tests compare every kernel with it bit for bit.

use std::cmp::Ordering;

use wgpu_dropout::{Dropout, Generator, Key, reference};

const LIMIT: f64 = 5.0;
const MOST_SCORES: usize = 10_000;

/// The drop probabilities of every test of masks. The two ends look at other bits of the uniforms than 0.5 does,
/// which sees their highest bit only.
const PROBABILITIES: [f64; 3] = [0.1, 0.5, 0.9];

/// Elements of the main masks, of a mask that is compared with many others, and of the uniforms.
const LENGTH: u64 = 1 << 19;
const SHORT: u64 = 1 << 14;
const UNIFORMS: u64 = 1 << 16;

/// A key of everyday use.
const KEY: Key = Key::new(42).layer(3).sample(1).step(1000);

#[derive(Clone, Copy)]
enum Rule {
    Reference(Generator),
    Broken(&'static Fault),
}

/// A rule broken on purpose: it has its own `halves` or `threshold` and is otherwise the keep rule.
struct Fault {
    name: &'static str,
    halves: Halves,
    threshold: fn(f64) -> u64,
    /// The names of the [`TESTS`] that catch it.
    caught_by: &'static [&'static str],
}

/// The 16 bits of each of the eight lanes, from key, group and part.
type Halves = fn(Key, u64, u32) -> [u16; 8];

impl Rule {
    /// The masks of `length` elements from logical index `start`, both multiples of 64, for several p.
    fn masks<const N: usize>(self, key: Key, probabilities: [f64; N], start: u64, length: u64) -> [Bits; N] {
        let fault = match self {
            Self::Reference(generator) => {
                return probabilities.map(|p| {
                    let mask = Dropout::new(p).unwrap().with_generator(generator).mask(key).at(start);
                    let words = reference::keep_mask(&mask, length).unwrap();
                    let pairs = words.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32);
                    Bits { words: pairs.collect(), probability: 1.0 - p }
                });
            }
            Self::Broken(fault) => fault,
        };
        let thresholds = probabilities.map(fault.threshold);
        let mut masks = probabilities.map(|p| Bits { words: vec![0; length as usize / 64], probability: 1.0 - p });
        for group in 0..length / 8 {
            let high = (fault.halves)(key, start / 8 + group, 0);
            for (mask, threshold) in masks.iter_mut().zip(thresholds) {
                for (lane, half) in high.into_iter().enumerate() {
                    let low = || (fault.halves)(key, start / 8 + group, 1)[lane];
                    let keep = match u64::from(half).cmp(&(threshold >> 16)) {
                        Ordering::Less => true,
                        Ordering::Equal => u64::from(low()) < threshold & 0xffff,
                        Ordering::Greater => false,
                    };
                    mask.words[group as usize / 8] |= u64::from(keep) << (group % 8 * 8 + lane as u64);
                }
            }
        }
        masks
    }

    fn mask(self, key: Key, p: f64, start: u64, length: u64) -> Bits {
        let [mask] = self.masks(key, [p], start, length);
        mask
    }

    /// The uniforms of the first elements.
    fn uniforms(self, key: Key, length: u64) -> Vec<u32> {
        match self {
            Self::Reference(generator) => (0..length).map(|index| reference::uniform(generator, key, index)).collect(),
            Self::Broken(fault) => {
                let group = |group| {
                    let [high, low] = [0, 1].map(|part| (fault.halves)(key, group, part));
                    (0..8).map(move |lane| u32::from(high[lane]) << 16 | u32::from(low[lane]))
                };
                (0..length / 8).flat_map(group).collect()
            }
        }
    }
}

/// Bits that are 1 with a known probability, 64 a word.
struct Bits {
    words: Vec<u64>,
    probability: f64,
}

/// Places in a word of [`Bits`]: all of them, and lane 0 of each of its eight groups.
const EVERY: u64 = u64::MAX;
const LANE_0: u64 = 0x0101_0101_0101_0101;

impl Bits {
    /// The 64 bits from a position.
    fn word(&self, position: usize) -> u64 {
        let (word, shift) = (position / 64, position % 64);
        if shift == 0 { self.words[word] } else { self.words[word] >> shift | self.words[word + 1] << (64 - shift) }
    }

    fn bit(&self, position: usize) -> u64 {
        self.words[position / 64] >> (position % 64) & 1
    }

    /// The score of the number of ones in the chosen `places` of every 64.
    fn rate(&self, places: u64) -> f64 {
        let ones: u32 = self.words.iter().map(|word| (word & places).count_ones()).sum();
        rate_score(f64::from(ones), (self.words.len() as u32 * places.count_ones()).into(), self.probability)
    }

    /// The score of the covariance of the bits in the chosen `places` of every 64 with the bits of `other` that lie
    /// `lag` further on.
    fn covariance(&self, other: &Self, lag: usize, places: u64) -> f64 {
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

fn rate_score(ones: f64, count: f64, probability: f64) -> f64 {
    (ones - count * probability) / (count * probability * (1.0 - probability)).sqrt()
}

/// Chi-square to normal (Wilson and Hilferty, 1931).
fn chi_square_score(chi_square: f64, degrees: f64) -> f64 {
    let variance = 2.0 / (9.0 * degrees);
    ((chi_square / degrees).cbrt() - (1.0 - variance)) / variance.sqrt()
}

/// The score of counts in cells of known probability. Cells in which fewer than 10 are expected are taken as one.
fn cells_score(counts: &[u32], probability: impl Fn(usize) -> f64) -> f64 {
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
struct Worst {
    score: f64,
    place: String,
    count: usize,
}

impl Worst {
    fn add(&mut self, score: f64, place: impl FnOnce() -> String) {
        self.count += 1;
        // A score that is not a number must not pass: once here, it stays.
        if self.count == 1 || score.is_nan() || score.abs() > self.score.abs() {
            (self.score, self.place) = (score, place());
        }
    }

    fn passes(&self) -> bool {
        self.score.abs() < LIMIT
    }
}

/// A rule with its main masks, one for each of [`PROBABILITIES`], which several tests look at.
struct Subject {
    rule: Rule,
    masks: [Bits; 3],
}

impl Subject {
    fn new(rule: Rule) -> Self {
        Self { rule, masks: rule.masks(KEY, PROBABILITIES, 0, LENGTH) }
    }

    fn masks(&self) -> impl Iterator<Item = (f64, &Bits)> {
        PROBABILITIES.into_iter().zip(&self.masks)
    }

    /// Short masks to compare with the main ones.
    fn short(&self, key: Key, start: u64) -> [Bits; 3] {
        self.rule.masks(key, PROBABILITIES, start, SHORT)
    }
}

type Test = fn(&Subject) -> Worst;

const TESTS: [(&str, Test); 9] = [
    ("rate", rate),
    ("places", places),
    ("neighbours", neighbours),
    ("group", group),
    ("groups", groups),
    ("rows", rows),
    ("far", far),
    ("keys", keys),
    ("halves", halves),
];

/// The share of kept elements. At p = 0.01 too, where a p rounded to 8 bits shows most.
fn rate(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for (p, mask) in subject.masks() {
        worst.add(mask.rate(EVERY), || format!("p {p}"));
    }
    worst.add(subject.rule.mask(KEY, 0.01, 0, LENGTH).rate(EVERY), || "p 0.01".into());
    worst
}

/// The share of kept elements in each of the 8 lanes, and in each of the 32 bits of the packed mask's words.
fn places(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for (p, mask) in subject.masks() {
        for lane in 0..8 {
            worst.add(mask.rate(LANE_0 << lane), || format!("p {p} lane {lane}"));
        }
        for bit in 0..32 {
            worst.add(mask.rate(0x0000_0001_0000_0001 << bit), || format!("p {p} bit {bit}"));
        }
    }
    worst
}

/// Elements 1 to 64 apart.
fn neighbours(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for (p, mask) in subject.masks() {
        for lag in 1..=64 {
            worst.add(mask.covariance(mask, lag, EVERY), || format!("p {p} lag {lag}"));
        }
    }
    worst
}

/// The eight lanes of one group, which come from one call of the generator: the 28 pairs, and the 256 patterns.
fn group(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for (p, mask) in subject.masks() {
        for a in 0..8 {
            for b in a + 1..8 {
                worst.add(mask.covariance(mask, b - a, LANE_0 << a), || format!("p {p} lanes {a}, {b}"));
            }
        }
        let mut counts = [0; 256];
        mask.words.iter().flat_map(|word| word.to_le_bytes()).for_each(|pattern| counts[usize::from(pattern)] += 1);
        let probability =
            |pattern: usize| (1.0 - p).powi(pattern.count_ones() as i32) * p.powi(pattern.count_zeros() as i32 - 56);
        worst.add(cells_score(&counts, probability), || format!("p {p} patterns"));
    }
    worst
}

/// Each lane with each lane of the next group, whose counter is one higher.
fn groups(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for (p, mask) in subject.masks() {
        for a in 0..8 {
            for b in 0..8 {
                worst.add(mask.covariance(mask, 8 + b - a, LANE_0 << a), || format!("p {p} lane {a}, next {b}"));
            }
        }
    }
    worst
}

/// Rows of 1,000 and of 1,024 elements: rows next to each other, and how the kept elements of whole rows and of whole
/// columns vary. A mask that repeats from row to row keeps whole columns.
fn rows(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for (p, mask) in subject.masks() {
        for length in [1000, 1024] {
            for lag in [length - 1, length, length + 1, 2 * length] {
                worst.add(mask.covariance(mask, lag, EVERY), || format!("p {p} lag {lag}"));
            }
            let rows = LENGTH as usize / length;
            let (mut in_row, mut in_column) = (vec![0; rows], vec![0; length]);
            for (row, in_row) in in_row.iter_mut().enumerate() {
                for (column, in_column) in in_column.iter_mut().enumerate() {
                    let keep = mask.bit(row * length + column);
                    *in_row += keep;
                    *in_column += keep;
                }
            }
            for (what, counts, of) in [("rows", in_row, length), ("columns", in_column, rows)] {
                let squares = counts.iter().map(|&ones| rate_score(ones as f64, of as f64, 1.0 - p).powi(2));
                let score = chi_square_score(squares.sum(), counts.len() as f64);
                worst.add(score, || format!("p {p} variance of {what} of {of}"));
            }
        }
    }
    worst
}

/// Elements at a distance of each power of two, up to the last bit of the index that both generators have.
fn far(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for bit in 14..59 {
        for ((p, mask), other) in subject.masks().zip(subject.short(KEY, 1 << bit)) {
            worst.add(other.covariance(mask, 0, EVERY), || format!("p {p} distance 2^{bit}"));
        }
    }
    worst
}

/// Masks of different keys: consecutive seeds, layers, samples and steps and a few mix-ups, each with each and shifted
/// against the main mask by up to 16 elements; and each single bit of seed and stream.
fn keys(subject: &Subject) -> Worst {
    let seed = |seed| Key { seed, ..KEY };
    let near: Vec<Key> = (1..5)
        .flat_map(|k| [KEY.step(1000 + k), KEY.layer(3 + k as u16), KEY.sample(1 + k as u16), seed(42 + u64::from(k))])
        .chain([
            seed(KEY.stream).with_stream(KEY.seed),
            KEY.with_stream(!KEY.stream),
            seed(43).with_stream(KEY.stream - 1),
            seed(43).with_stream(KEY.stream + 1),
        ])
        .collect();
    let masks: Vec<[Bits; 3]> = near.iter().map(|&key| subject.short(key, 0)).collect();
    let start = subject.short(KEY, 0);
    let mut worst = Worst::default();
    for (i, (p, main)) in subject.masks().enumerate() {
        for (a, key) in near.iter().enumerate() {
            let mask = &masks[a][i];
            for b in 0..a {
                worst.add(mask.covariance(&masks[b][i], 0, EVERY), || format!("p {p} {key:x?} and {:x?}", near[b]));
            }
            for lag in 0..=16 {
                worst.add(mask.covariance(main, lag, EVERY), || format!("p {p} {key:x?} {lag} behind"));
                worst.add(start[i].covariance(mask, lag, EVERY), || format!("p {p} {key:x?} {lag} ahead"));
            }
        }
    }
    for bit in 0..64 {
        for key in [seed(KEY.seed ^ 1 << bit), KEY.with_stream(KEY.stream ^ 1 << bit)] {
            for ((p, mask), other) in subject.masks().zip(subject.short(key, 0)) {
                worst.add(other.covariance(mask, 0, EVERY), || format!("p {p} {key:x?}"));
            }
        }
    }
    worst
}

/// The 32-bit uniforms, whose two halves come from two calls of the generator: their four bytes, all pairs of their
/// bits, and the highest and the lowest four bits of one half with those of the other.
fn halves(subject: &Subject) -> Worst {
    let uniforms = subject.rule.uniforms(KEY, UNIFORMS);
    let mut worst = Worst::default();
    let mut cells = |name: &str, cell: fn(u32) -> u32| {
        let mut counts = [0; 256];
        uniforms.iter().for_each(|&uniform| counts[cell(uniform) as usize] += 1);
        worst.add(cells_score(&counts, |_| 1.0 / 256.0), || name.into());
    };
    cells("byte 0", |u| u & 255);
    cells("byte 1", |u| u >> 8 & 255);
    cells("byte 2", |u| u >> 16 & 255);
    cells("byte 3", |u| u >> 24);
    cells("highest of both halves", |u| u >> 28 << 4 | u >> 12 & 15);
    cells("lowest of both halves", |u| u >> 16 & 15 | (u & 15) << 4);
    let planes: Vec<Bits> = (0..32)
        .map(|bit| {
            let pack =
                |word: &[u32]| word.iter().rev().fold(0, |word, &uniform| word << 1 | u64::from(uniform >> bit & 1));
            Bits { words: uniforms.chunks(64).map(pack).collect(), probability: 0.5 }
        })
        .collect();
    for (a, plane) in planes.iter().enumerate() {
        for b in 0..a {
            worst.add(plane.covariance(&planes[b], 0, EVERY), || format!("bits {a}, {b}"));
        }
    }
    worst
}

static FAULTS: [&[Fault]; 4] = [&TOO_FEW_ROUNDS, &NUMBERS_USED_TWICE, &KEYS_CONFUSED, &WRONG_PROBABILITIES];

/// The generators are caught up to 8 of 20 rounds (Threefry) and 5 of 10 (Philox).
static TOO_FEW_ROUNDS: [Fault; 5] = [
    Fault {
        name: "Threefry with 2 rounds",
        halves: |key, group, part| threefry(2, key, group, part),
        threshold,
        caught_by: &["rate", "places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "Threefry with 8 rounds",
        halves: |key, group, part| threefry(8, key, group, part),
        threshold,
        caught_by: &["keys"],
    },
    Fault {
        name: "Philox with 2 rounds",
        halves: |key, group, part| philox(reference::philox4x32, 2, key, group, part),
        threshold,
        caught_by: &["rate", "places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "Philox with 5 rounds",
        halves: |key, group, part| philox(reference::philox4x32, 5, key, group, part),
        threshold,
        caught_by: &["groups", "far", "keys", "halves"],
    },
    Fault {
        name: "Philox without a carry in its multiply-high: random all the same, so only known answers catch it",
        halves: |key, group, part| philox(philox4x32_without_carry, 10, key, group, part),
        threshold,
        caught_by: &[],
    },
];

static NUMBERS_USED_TWICE: [Fault; 6] = [
    Fault {
        name: "lanes 4-7 use the bits of lanes 0-3",
        halves: |key, group, part| chosen(sound(key, group, part), |lane| lane % 4),
        threshold,
        caught_by: &["neighbours", "group", "rows", "keys", "halves"],
    },
    Fault {
        name: "four elements share a decision",
        halves: |key, group, part| chosen(sound(key, group, part), |lane| lane & 4),
        threshold,
        caught_by: &["neighbours", "group", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "lane 7 uses the bits of lane 2 of the next group",
        halves: |key, group, part| {
            let mut halves = sound(key, group, part);
            halves[7] = sound(key, group + 1, part)[2];
            halves
        },
        threshold,
        caught_by: &["neighbours", "groups", "rows", "halves"],
    },
    Fault {
        name: "every row of 1,000 has the same mask",
        halves: |key, group, part| sound(key, group % 125, part),
        threshold,
        caught_by: &["rate", "places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "every 16th row of 1,000 repeats the row before it",
        halves: |key, group, part| {
            let repeats = group / 125 % 16 == 15;
            sound(key, if repeats { group - 125 } else { group }, part)
        },
        threshold,
        caught_by: &["rows"],
    },
    Fault {
        name: "the index wraps at 32 bits",
        halves: |key, group, part| sound(key, group & 0x1fff_ffff, part),
        threshold,
        caught_by: &["far"],
    },
];

static KEYS_CONFUSED: [Fault; 4] = [
    Fault {
        name: "the stream is ignored",
        halves: |key, group, part| sound(Key::new(key.seed), group, part),
        threshold,
        caught_by: &["keys"],
    },
    Fault {
        name: "only 32 bits of the seed are used",
        halves: |key, group, part| sound(Key { seed: key.seed & 0xffff_ffff, ..key }, group, part),
        threshold,
        caught_by: &["keys"],
    },
    Fault {
        name: "seed and stream are added",
        halves: |key, group, part| sound(Key::new(key.seed.wrapping_add(key.stream)), group, part),
        threshold,
        caught_by: &["keys"],
    },
    Fault {
        name: "the stream is added to the group, so that the next step's mask is this one, shifted",
        halves: |key, group, part| sound(Key::new(key.seed), group.wrapping_add(key.stream), part),
        threshold,
        caught_by: &["keys"],
    },
];

static WRONG_PROBABILITIES: [Fault; 5] = [
    Fault {
        name: "the probability to keep is rounded to n/256",
        halves: sound,
        threshold: |p| ((1.0 - p) * 256.0).round() as u64 * (1 << 24),
        caught_by: &["rate"],
    },
    Fault {
        name: "lanes 6 and 7 lean in opposite ways, so that the rate is right at p = 0.5",
        halves: |key, group, part| {
            let mut halves = sound(key, group, part);
            halves[6] |= 0x8000;
            halves[7] &= 0x7fff;
            halves
        },
        threshold,
        caught_by: &["places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "the high halves are shifted by 17 instead of 16",
        halves: |key, group, part| {
            let mut halves = sound(key, group, part);
            halves[4..].iter_mut().for_each(|half| *half >>= 1);
            halves
        },
        threshold,
        caught_by: &["rate", "places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "part 1 is missing: the low half is 0",
        halves: |key, group, part| if part == 0 { sound(key, group, 0) } else { [0; 8] },
        threshold,
        caught_by: &["halves"],
    },
    Fault {
        name: "the part is not in the counter: the low half is the high half again",
        halves: |key, group, _| sound(key, group, 0),
        threshold,
        caught_by: &["halves"],
    },
];

/// The sound rule, which most faults start from.
fn sound(key: Key, group: u64, part: u32) -> [u16; 8] {
    threefry(20, key, group, part)
}

fn threshold(p: f64) -> u64 {
    Dropout::new(p).unwrap().threshold()
}

fn threefry(rounds: usize, key: Key, group: u64, part: u32) -> [u16; 8] {
    let ([group_lo, group_hi], [seed_lo, seed_hi], [stream_lo, stream_hi]) =
        (words(group), words(key.seed), words(key.stream));
    let counter = [group_lo, group_hi, part, 0];
    lanes(reference::threefry4x32(rounds, counter, [seed_lo, seed_hi, stream_lo, stream_hi]))
}

type Philox = fn(usize, [u32; 4], [u32; 2]) -> [u32; 4];

fn philox(generator: Philox, rounds: usize, key: Key, group: u64, part: u32) -> [u16; 8] {
    let ([group_lo, group_hi], [stream_lo, stream_hi]) = (words(group), words(key.stream));
    lanes(generator(rounds, [group_lo, group_hi | part << 31, stream_lo, stream_hi], words(key.seed)))
}

/// The 64-bit product from 16-bit limbs, as a shader without wide integers makes it, but the low limbs' product and
/// what the middle ones lose are never carried.
fn philox4x32_without_carry(rounds: usize, mut x: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let high = |a: u32, b: u32| {
        let [a_lo, a_hi, b_lo, b_hi] = [a & 0xffff, a >> 16, b & 0xffff, b >> 16];
        (a_hi * b_hi).wrapping_add((a_hi * b_lo).wrapping_add(a_lo * b_hi) >> 16)
    };
    let [m0, m1] = [0xd251_1f53, 0xcd9e_8d57];
    for _ in 0..rounds {
        let (high_0, high_1) = (high(m0, x[0]), high(m1, x[2]));
        x = [high_1 ^ x[1] ^ key[0], m1.wrapping_mul(x[2]), high_0 ^ x[3] ^ key[1], m0.wrapping_mul(x[0])];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    x
}

fn words(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

fn lanes(block: [u32; 4]) -> [u16; 8] {
    std::array::from_fn(|lane| (block[lane % 4] >> (lane / 4 * 16)) as u16)
}

fn chosen(halves: [u16; 8], lane: fn(usize) -> usize) -> [u16; 8] {
    std::array::from_fn(|i| halves[lane(i)])
}

fn passes_every_test(generator: Generator) {
    let subject = Subject::new(Rule::Reference(generator));
    let mut scores = 0;
    for (name, test) in TESTS {
        let worst = test(&subject);
        assert!(worst.passes(), "{generator} fails {name}: {:.2} at {}", worst.score, worst.place);
        scores += worst.count;
    }
    assert!(scores <= MOST_SCORES / Generator::ALL.len(), "{scores} scores: the false-alarm rate above is too low");
}

#[test]
fn threefry_passes() {
    passes_every_test(Generator::Threefry);
}

#[test]
fn philox_passes() {
    passes_every_test(Generator::Philox);
}

fn are_caught(faults: &'static [Fault]) {
    for fault in faults {
        let subject = Subject::new(Rule::Broken(fault));
        let worst = TESTS.map(|(name, test)| (name, test(&subject)));
        let caught_by: Vec<_> = worst.iter().filter(|(_, worst)| !worst.passes()).map(|&(name, _)| name).collect();
        let scores = worst.map(|(name, worst)| format!("{name} {:.1}", worst.score));
        println!("{}: {}", fault.name, scores.join(", "));
        if caught_by != fault.caught_by {
            println!("MISMATCH {caught_by:?}");
        }
    }
}

#[test]
fn too_few_rounds_are_caught() {
    are_caught(&TOO_FEW_ROUNDS);
}

#[test]
fn numbers_used_twice_are_caught() {
    are_caught(&NUMBERS_USED_TWICE);
}

#[test]
fn confused_keys_are_caught() {
    are_caught(&KEYS_CONFUSED);
}

#[test]
fn wrong_probabilities_are_caught() {
    are_caught(&WRONG_PROBABILITIES);
}

#[test]
fn every_test_catches_a_fault() {
    for (name, _) in TESTS {
        assert!(FAULTS.iter().copied().flatten().any(|fault| fault.caught_by.contains(&name)), "{name}");
    }
}

/// So that the faults above are caught for what is broken in them, and not for how they are put together.
#[test]
fn without_a_fault_the_rule_is_the_reference() {
    const THREEFRY: &Fault = &Fault { name: "none", halves: sound, threshold, caught_by: &[] };
    const PHILOX: &Fault = &Fault { halves: |k, g, part| philox(reference::philox4x32, 10, k, g, part), ..*THREEFRY };
    for (fault, generator) in [(THREEFRY, Generator::Threefry), (PHILOX, Generator::Philox)] {
        let (rule, reference) = (Rule::Broken(fault), Rule::Reference(generator));
        for start in [0, 1 << 40] {
            let masks = |rule: Rule| rule.masks(KEY, PROBABILITIES, start, LENGTH / 4).map(|mask| mask.words);
            assert_eq!(masks(rule), masks(reference), "{generator}");
        }
        assert_eq!(rule.uniforms(KEY, SHORT), reference.uniforms(KEY, SHORT), "{generator}");
    }
}
