//! Statistics of the masks: do the keep decisions behave as independent coin flips where users would notice if they
//! did not, and would these tests notice? Every test is also run on rules broken on purpose ([`FAULTS`]), and each
//! fault must be caught by exactly the tests named beside it.
//!
//! **Scores.** A test makes many scores, each of which is close to a standard normal variable for a sound rule: a
//! count minus its expectation over its standard deviation, with p known and not estimated, or a chi-square brought to
//! normal by the cube root of Wilson and Hilferty. The worst must stay within ±5 ([`scores::LIMIT`]), which a normal
//! score leaves with probability 5.7e-7. The sound rules make at most [`MOST_SCORES`] = 10,000 in all, so generators
//! without any flaw would fail for one choice of keys in about 170 (p = 0.1 and 0.9 make some counts skew, which can
//! double that). The keys are fixed: what passes once passes always, and a failure means that the rule has changed.
//!
//! **What they cannot see.** A generator that is wrong but still random, as a multiply-high without its carry
//! (one of the faults), passes: only the known answers catch that. Nor do these replace the large test batteries that
//! the generators' authors ran (Salmon et al., SC 2011): they look at how the keep rule uses the generators.
//!
//! Only the CPU reference is tested here. Other tests compare every kernel with it bit for bit.

// With their paths, because files beside this one would be taken for test programs.
#[path = "statistics/rules.rs"]
mod rules;
#[path = "statistics/scores.rs"]
mod scores;

use rules::{FAULTS, Fault, KEYS_CONFUSED, NUMBERS_USED_TWICE, Rule, TOO_FEW_ROUNDS, WRONG_PROBABILITIES};
use scores::{Bits, EVERY, LANE_0, Worst, cells_score, chi_square_score, rate_score};
use wgpu_dropout::{Generator, Key, reference};

/// How many scores the false-alarm rate above allows for.
const MOST_SCORES: usize = 10_000;

/// The drop probabilities of every test of masks. The two ends look at other bits of the uniforms than 0.5 does,
/// which sees their highest bit only.
const PROBABILITIES: [f64; 3] = [0.1, 0.5, 0.9];

/// Elements of the main masks, of a mask that is compared with many others, and of the uniforms.
const LENGTH: u64 = 1 << 19;
const SHORT: u64 = 1 << 14;
const UNIFORMS: u64 = 1 << 16;

/// A key of everyday use.
const KEY: Key = Key::new(42).with_layer(3).with_sample(1).with_step(1000);

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

/// The eight lanes of one group, which come from one call of the generator: their 28 pairs and their 256 patterns.
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
        let probability = |pattern: usize| {
            let kept = pattern.count_ones() as i32;
            (1.0 - p).powi(kept) * p.powi(8 - kept)
        };
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
        .flat_map(|k| {
            [
                KEY.with_step(1000 + k),
                KEY.with_layer(3 + k as u16),
                KEY.with_sample(1 + k as u16),
                seed(42 + u64::from(k)),
            ]
        })
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
        for (b, other) in planes[..a].iter().enumerate() {
            worst.add(plane.covariance(other, 0, EVERY), || format!("bits {a}, {b}"));
        }
    }
    worst
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
        assert_eq!(caught_by, fault.caught_by, "{}: {}", fault.name, scores.join(", "));
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
    const THREEFRY: &Fault = &Fault { name: "none", halves: rules::sound, threshold: rules::threshold, caught_by: &[] };
    const PHILOX: &Fault =
        &Fault { halves: |k, g, part| rules::philox(reference::philox4x32, 10, k, g, part), ..*THREEFRY };
    for (fault, generator) in [(THREEFRY, Generator::Threefry), (PHILOX, Generator::Philox)] {
        let (rule, reference) = (Rule::Broken(fault), Rule::Reference(generator));
        for start in [0, 1 << 40] {
            let masks = |rule: Rule| rule.masks(KEY, PROBABILITIES, start, LENGTH / 4).map(|mask| mask.words);
            assert_eq!(masks(rule), masks(reference), "{generator}");
        }
        assert_eq!(rule.uniforms(KEY, SHORT), reference.uniforms(KEY, SHORT), "{generator}");
    }
}
