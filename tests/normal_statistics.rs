//! Statistics of the normals: are they normal, and independent where users would notice if they were not, and would these
//! tests notice? Every test is also run on sources broken on purpose ([`FAULTS`]), and each fault must be caught by exactly
//! the tests named beside it. That the table is right to the last digit, the program `quality` finds over every word; here
//! it is the streams.
//!
//! **Scores**, as in statistics.rs: each is close to a standard normal variable for a sound source, and the worst must stay
//! within ±5 ([`scores::LIMIT`]), which a normal score leaves with probability 5.7e-7. Distances of distributions
//! (Kolmogorov and Smirnov; Anderson and Darling) are brought to scores by their probability. The sound sources make at most
//! [`MOST_SCORES`] = 3,200 in all, so generators without any flaw would fail for one choice of keys in about 550. Sums of
//! fourth powers and of products of squares are skew, which can make that four times as much. The keys are fixed: what
//! passes once passes always, and a failure means that the normals have changed.
//!
//! Only the CPU reference is tested here. Other tests compare every kernel with it bit for bit.

// With their paths, because files beside this one would be taken for test programs.
#[path = "statistics/normal_scores.rs"]
mod normal_scores;
#[path = "statistics/scores.rs"]
#[allow(dead_code, reason = "the scores of bits are for masks")]
mod scores;
#[path = "statistics/sources.rs"]
mod sources;

use normal_scores::{anderson_darling, cells, dependence, kolmogorov_smirnov, moments};
use scores::{Worst, cells_score, rate_score};
use sources::{FAULTS, Fault, Source};
use wgpu_dropout::{Generator, Key, reference::normal_q21};

/// How many scores the false-alarm rate above allows for.
const MOST_SCORES: usize = 3_200;

/// Normals of the main stream, and of a stream that is compared with it.
const LENGTH: u64 = 1 << 18;
const SHORT: u64 = 1 << 15;

/// A key of everyday use.
const KEY: Key = Key::new(42).with_layer(3).with_sample(1).with_step(1000);

/// A source with its main stream, which several tests look at.
struct Subject {
    source: Source,
    main: Vec<f64>,
}

impl Subject {
    fn new(source: Source) -> Self {
        Self { source, main: source.normals(KEY, 0, LENGTH) }
    }

    /// A short stream to compare with the main one.
    fn short(&self, key: Key, start: u64) -> Vec<f64> {
        self.source.normals(key, start, SHORT)
    }

    /// The normals of one of a block's four lanes, in the main stream.
    fn lane(&self, lane: usize) -> Vec<f64> {
        self.main.iter().copied().skip(lane).step_by(4).collect()
    }
}

type Test = fn(&Subject) -> Worst;

const TESTS: [(&str, Test); 8] = [
    ("moments", powers),
    ("distribution", distribution),
    ("lanes", lanes),
    ("neighbours", neighbours),
    ("blocks", blocks),
    ("far", far),
    ("keys", keys),
    ("domains", domains),
];

/// Mean, variance, skewness and kurtosis, of all and of each lane.
fn powers(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for (power, score) in (1..).zip(moments(&subject.main)) {
        worst.add(score, || format!("power {power}"));
    }
    for lane in 0..4 {
        for (power, score) in (1..).zip(moments(&subject.lane(lane))) {
            worst.add(score, || format!("lane {lane} power {power}"));
        }
    }
    worst
}

/// The distances of the distribution from the normal one, and the counts in 256 cells of equal probability, of all and of
/// each lane; and the distances of streams of a few other keys.
fn distribution(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    let mut add = |name: &str, mut normals: Vec<f64>| {
        worst.add(cells_score(&cells(&normals), |_| 1.0 / 256.0), || format!("{name}: cells"));
        normals.sort_by(f64::total_cmp);
        worst.add(kolmogorov_smirnov(&normals), || format!("{name}: Kolmogorov-Smirnov"));
        worst.add(anderson_darling(&normals), || format!("{name}: Anderson-Darling"));
    };
    add("all", subject.main.clone());
    (0..4).for_each(|lane| add(&format!("lane {lane}"), subject.lane(lane)));
    for key in [Key::new(0), Key::new(u64::MAX).with_stream(u64::MAX), Key::new(7).with_step(1)] {
        add(&format!("{key:x?}"), subject.short(key, 0));
    }
    worst
}

/// The four lanes of one block, which come from one call of the generator: their six pairs, and the 256 patterns of their
/// signs and of which are beyond the quartiles.
fn lanes(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    let lanes: [Vec<f64>; 4] = std::array::from_fn(|lane| subject.lane(lane));
    for a in 0..4 {
        for b in 0..a {
            dependence(&mut worst, &lanes[a], &lanes[b], || format!("lanes {a}, {b}"));
        }
    }
    let mut counts = [0; 256];
    for block in subject.main.chunks_exact(4) {
        // A normal is within 0.67448975 of 0 with probability 1/2.
        let pattern = |z: &f64| usize::from(*z < 0.0) | usize::from(z.abs() > 0.674_489_75) << 1;
        counts[block.iter().fold(0, |patterns, z| patterns << 2 | pattern(z))] += 1;
    }
    worst.add(cells_score(&counts, |_| 1.0 / 256.0), || "patterns".into());
    worst
}

/// Normals 1 to 32 apart, and those of rows of 1,000 and of 1,024 next to each other.
fn neighbours(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for lag in (1..=32).chain([999, 1000, 1001, 1023, 1024, 1025]) {
        dependence(&mut worst, &subject.main, &subject.main[lag..], || format!("lag {lag}"));
    }
    worst
}

/// Each lane with each lane of the next block, whose counter is one higher.
fn blocks(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    let lanes: [Vec<f64>; 4] = std::array::from_fn(|lane| subject.lane(lane));
    for a in 0..4 {
        for b in 0..4 {
            dependence(&mut worst, &lanes[a], &lanes[b][1..], || format!("lane {a}, next {b}"));
        }
    }
    worst
}

/// Normals at a distance of each power of two, up to the last bit of the index that both generators have.
fn far(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    for bit in 15..58 {
        let other = subject.short(KEY, 1 << bit);
        dependence(&mut worst, &subject.main, &other, || format!("distance 2^{bit}"));
    }
    worst
}

/// Streams of different keys: consecutive seeds, layers, samples and steps and a few mix-ups, shifted against the main stream
/// by up to 4 normals; and each single bit of seed and stream.
fn keys(subject: &Subject) -> Worst {
    let seed = |seed| Key { seed, ..KEY };
    let near = [
        KEY.with_step(1001),
        KEY.with_step(1002),
        KEY.with_layer(4),
        KEY.with_sample(2),
        seed(43),
        seed(44),
        seed(KEY.stream).with_stream(KEY.seed),
        seed(43).with_stream(KEY.stream - 1),
        seed(43).with_stream(KEY.stream + 1),
    ];
    let mut worst = Worst::default();
    for key in near {
        let other = subject.short(key, 0);
        for lag in 0..=4 {
            dependence(&mut worst, &other, &subject.main[lag..], || format!("{key:x?} {lag} behind"));
            dependence(&mut worst, &other[lag..], &subject.main, || format!("{key:x?} {lag} ahead"));
        }
    }
    for bit in 0..64 {
        for key in [seed(KEY.seed ^ 1 << bit), KEY.with_stream(KEY.stream ^ 1 << bit)] {
            dependence(&mut worst, &subject.short(key, 0), &subject.main, || format!("{key:x?}"));
        }
    }
    worst
}

/// The words of the normals' domain with those of the masks' domain, of the same counters: each bit of each lane, and the
/// normals that either would give, each lane with each. That the counters differ in a bit only must not be seen.
fn domains(subject: &Subject) -> Worst {
    let mut worst = Worst::default();
    let words = |domain| (0..SHORT).map(move |group| subject.source.block(KEY, group, domain));
    let (masks, normals): (Vec<_>, Vec<_>) = (words(0).collect(), words(1).collect());
    for lane in 0..4 {
        for bit in 0..32 {
            let differ = masks.iter().zip(&normals).filter(|(a, b)| (a[lane] ^ b[lane]) >> bit & 1 == 1).count();
            worst.add(rate_score(differ as f64, SHORT as f64, 0.5), || format!("lane {lane} bit {bit}"));
        }
    }
    for a in 0..4 {
        for b in 0..4 {
            let of_masks: Vec<f64> = masks.iter().map(|block| sources::value(normal_q21(block[a]))).collect();
            let of_normals: Vec<f64> = subject.lane(b)[..SHORT as usize].to_vec();
            dependence(&mut worst, &of_masks, &of_normals, || format!("mask's lane {a}, normals' lane {b}"));
        }
    }
    worst
}

fn passes_every_test(generator: Generator) {
    let subject = Subject::new(Source::Reference(generator));
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
    let mut wrong = vec![];
    for fault in faults {
        let subject = Subject::new(Source::Broken(fault));
        let worst = TESTS.map(|(name, test)| (name, test(&subject)));
        let caught_by: Vec<_> = worst.iter().filter(|(_, worst)| !worst.passes()).map(|&(name, _)| name).collect();
        if caught_by != fault.caught_by {
            let scores = worst.map(|(name, worst)| format!("{name} {:.1}", worst.score));
            wrong.push(format!("{}: {caught_by:?}: {}", fault.name, scores.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_tables_are_caught() {
    are_caught(&sources::BROKEN_TABLES);
}

#[test]
fn broken_generators_are_caught() {
    are_caught(&sources::BROKEN_GENERATORS);
}

#[test]
fn words_used_twice_are_caught() {
    are_caught(&sources::WORDS_USED_TWICE);
}

#[test]
fn every_test_catches_a_fault() {
    for (name, _) in TESTS {
        assert!(FAULTS.iter().copied().flatten().any(|fault| fault.caught_by.contains(&name)), "{name}");
    }
}

/// So that the faults above are caught for what is broken in them, and not for how they are put together.
#[test]
fn without_a_fault_the_source_is_the_reference() {
    const THREEFRY: &Fault = &Fault { name: "none", block: sources::sound, normal: normal_q21, caught_by: &[] };
    const PHILOX: &Fault = &Fault { block: |key, group, domain| sources::philox(10, key, group, domain), ..*THREEFRY };
    for (fault, generator) in [(THREEFRY, Generator::Threefry), (PHILOX, Generator::Philox)] {
        let (broken, reference) = (Source::Broken(fault), Source::Reference(generator));
        for start in [0, 1 << 40] {
            assert_eq!(broken.normals(KEY, start, SHORT), reference.normals(KEY, start, SHORT), "{generator}");
            for domain in [0, 1] {
                assert_eq!(broken.block(KEY, start, domain), reference.block(KEY, start, domain), "{generator}");
            }
        }
    }
}

/// The scores of distances, at the places that the statistics' own tables give.
#[test]
fn probabilities_of_distances() {
    // P = 0.05, 0.01 and 0.001 are 1.96, 2.576 and 3.29 standard deviations.
    for (statistic, score) in [(1.3581, 1.960), (1.6276, 2.576), (1.9495, 3.291)] {
        let found = normal_scores::score_of(normal_scores::kolmogorov_tail(statistic));
        assert!((found - score).abs() < 0.001, "{statistic}: {found}");
    }
    // The formula is of the tail: at 0.05 it is off by a tenth.
    for (statistic, score, within) in [(2.492, 1.960, 0.06), (3.878, 2.576, 0.03), (6.000, 3.291, 0.03)] {
        let found = normal_scores::score_of(normal_scores::anderson_darling_tail(statistic));
        assert!((found - score).abs() < within, "{statistic}: {found}");
    }
}
