//! The checks, each on one device.

use std::pin::Pin;

use wgpu_dropout::{BlockCounter, Dropout, Error, Generator, reference};

use crate::{
    Outcome, Subject, Suite,
    cases::Case,
    vectors::{self, GeneratorAnswer},
};

/// What a check is about. Masks are exact everywhere; values are as exact as WGSL and the hardware are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Generators,
    Masks,
    Values,
}

impl About {
    pub const ALL: [Self; 3] = [Self::Generators, Self::Masks, Self::Values];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Generators => "generators",
            Self::Masks => "masks",
            Self::Values => "values",
        }
    }
}

/// One promise, checked on one device by [`Suite::run`].
pub struct Check {
    pub about: About,
    pub name: &'static str,
    pub(crate) run: for<'a> fn(&'a Suite, &'a Subject, &'a mut Outcome) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

pub(crate) const ALL: &[Check] = &[
    Check {
        about: About::Generators,
        name: "published known answers",
        run: |s, d, o| Box::pin(known_answers(s, d, o)),
    },
    Check { about: About::Masks, name: "published masks", run: |s, d, o| Box::pin(published_masks(s, d, o)) },
    Check { about: About::Masks, name: "published thresholds", run: |s, d, o| Box::pin(published_thresholds(s, d, o)) },
    Check { about: About::Masks, name: "against the reference", run: |s, d, o| Box::pin(masks(s, d, o)) },
    Check { about: About::Values, name: "published scales", run: |s, d, o| Box::pin(published_scales(s, d, o)) },
    Check { about: About::Values, name: "forward", run: |s, d, o| Box::pin(forward(s, d, o)) },
    Check {
        about: About::Values,
        name: "forward between buffers",
        run: |s, d, o| Box::pin(forward_between_buffers(s, d, o)),
    },
    Check { about: About::Values, name: "backward", run: |s, d, o| Box::pin(backward(s, d, o)) },
];

/// tests/vectors/random123.txt, and the 10,000th output that the C++ standard demands of Philox.
async fn known_answers(_: &Suite, subject: &Subject, tally: &mut Outcome) -> Result<(), Error> {
    let answers = vectors::generators();
    let of = |name, rounds| answers.iter().filter(move |answer| answer.name == name && answer.rounds == rounds);
    let threefry: Vec<_> = of("threefry4x32", 20).collect();
    let philox: Vec<_> = of("philox4x32", 10).collect();

    let counters: Vec<_> = threefry.iter().map(|answer| threefry_counter(answer)).collect();
    let blocks = subject.context().random_blocks(Generator::Threefry, &counters).await?;
    compare_blocks(tally, "threefry", &threefry, &blocks);

    let mut counters: Vec<_> = philox.iter().map(|answer| philox_counter(answer.counter, answer.key)).collect();
    counters.push(philox_counter([2499, 0, 0, 0], [20_111_115, 0, 0, 0]));
    let blocks = subject.context().random_blocks(Generator::Philox, &counters).await?;
    compare_blocks(tally, "philox", &philox, &blocks);
    let last = blocks.last().map_or(0, |block| block[3]);
    tally.compare(last == 1_955_073_260, || format!("philox, output 10000: expected 1955073260, actual {last}"));
    Ok(())
}

fn compare_blocks(tally: &mut Outcome, name: &str, answers: &[&GeneratorAnswer], blocks: &[[u32; 4]]) {
    for (n, answer) in answers.iter().enumerate() {
        let actual = blocks.get(n).copied().unwrap_or_default();
        tally.compare(actual == answer.output, || {
            format!("{name}, known answer {n}: expected {:08x?}, actual {actual:08x?}", answer.output)
        });
    }
}

fn threefry_counter(answer: &GeneratorAnswer) -> BlockCounter {
    let [group_lo, group_hi, part, domain] = answer.counter;
    let [seed_lo, seed_hi, stream_lo, stream_hi] = answer.key;
    BlockCounter { seed: [seed_lo, seed_hi], stream: [stream_lo, stream_hi], group: [group_lo, group_hi], part, domain }
}

/// The keep rule packs group, part and domain into the counter's second word; this takes them apart.
fn philox_counter(counter: [u32; 4], key: [u32; 4]) -> BlockCounter {
    let [group_lo, packed, stream_lo, stream_hi] = counter;
    BlockCounter {
        seed: [key[0], key[1]],
        stream: [stream_lo, stream_hi],
        group: [group_lo, packed & 0x00ff_ffff],
        part: packed >> 31,
        domain: packed >> 24 & 0x7f,
    }
}

/// tests/vectors/keep_rule_v1.txt.
async fn published_masks(_: &Suite, subject: &Subject, tally: &mut Outcome) -> Result<(), Error> {
    for answer in vectors::masks() {
        let (mask, length) = (answer.mask(), answer.count);
        let words = subject.context().keep_mask(&mask, length).await?;
        let Err(difference) = answer.check(&words) else {
            tally.compared += length;
            continue;
        };
        // The file has a hash only. The reference, which has to fit it too, knows which elements are wrong.
        let case = Case { p: answer.p, mask, length, keep: reference::keep_mask(&mask, length)? };
        let mismatches = tally.mismatches;
        compare_masks(tally, &case, &words);
        if tally.mismatches == mismatches {
            tally.compare(false, || difference);
        }
    }
    Ok(())
}

/// tests/vectors/threshold_v1.txt: the elements that a p just drops and just keeps, and each p's mask.
async fn published_thresholds(_: &Suite, subject: &Subject, tally: &mut Outcome) -> Result<(), Error> {
    for answer in vectors::boundaries() {
        for (p, keep) in answer.drops_and_keeps() {
            let mask = Dropout::new(p)?.with_generator(answer.generator).mask(answer.key).at(answer.index);
            let actual = subject.context().keep_mask(&mask, 1).await?.first().copied().unwrap_or_default();
            tally.compare(actual == u32::from(keep), || {
                format!(
                    "index {} of {}, p {p}: expected {}, actual mask word {actual:#x}",
                    answer.index,
                    answer.generator,
                    kept(keep)
                )
            });
        }
    }
    for answer in vectors::thresholds() {
        let case = case_of(answer.p)?;
        let threshold = case.mask.threshold();
        tally.compare(threshold == answer.threshold, || {
            format!("threshold of p {}: expected {:x}, actual {threshold:x}", answer.p, answer.threshold)
        });
        compare_masks(tally, &case, &subject.context().keep_mask(&case.mask, case.length).await?);
    }
    Ok(())
}

/// tests/vectors/threshold_v1.txt: a kept 1 gives the scale.
async fn published_scales(_: &Suite, subject: &Subject, tally: &mut Outcome) -> Result<(), Error> {
    for answer in vectors::thresholds() {
        let case = case_of(answer.p)?;
        let y = subject.forward(&case.mask, &vec![1.0; case.length as usize]).await?;
        for local in 0..case.length {
            let expected = if case.keeps(local) { answer.scale_bits } else { 0 };
            compare_value(tally, &case, local, 1.0, f32::from_bits(expected), y.get(local as usize).copied());
        }
    }
    Ok(())
}

fn case_of(p: f64) -> Result<Case, Error> {
    let mask = Dropout::new(p)?.mask(wgpu_dropout::Key::new(9).with_stream(9));
    let length = 2080;
    Ok(Case { p, mask, length, keep: reference::keep_mask(&mask, length)? })
}

async fn masks(suite: &Suite, subject: &Subject, tally: &mut Outcome) -> Result<(), Error> {
    for case in &suite.cases.all {
        compare_masks(tally, case, &subject.context().keep_mask(&case.mask, case.length).await?);
    }
    Ok(())
}

/// Every element, and that the unused bits are 0.
fn compare_masks(tally: &mut Outcome, case: &Case, words: &[u32]) {
    let words_match = words.len() == case.keep.len();
    tally.compare(words_match, || format!("{} words of {case}, expected {}", words.len(), case.keep.len()));
    for (w, (&expected, &actual)) in case.keep.iter().zip(words).enumerate() {
        let first = w as u64 * 32;
        let used = (case.length - first).min(32);
        for bit in 0..used {
            let (expected, actual) = (expected >> bit & 1, actual >> bit & 1);
            tally.compare(expected == actual, || {
                let (expected, actual) = (kept(expected == 1), kept(actual == 1));
                format!("{}: expected {expected}, actual {actual}", case.element(first + bit))
            });
        }
        if used < 32 {
            tally.compare(actual >> used == 0, || {
                format!("the unused bits after {case}: expected 0, actual {actual:08x}")
            });
        }
    }
}

fn kept(keep: bool) -> &'static str {
    if keep { "kept" } else { "dropped" }
}

async fn forward(suite: &Suite, subject: &Subject, tally: &mut Outcome) -> Result<(), Error> {
    for case in &suite.cases.all {
        let x = case.input(0);
        let y = subject.forward(&case.mask, &x).await?;
        compare_values(tally, case, &x, &reference::forward(&case.mask, &x)?, &y);
    }
    Ok(())
}

async fn backward(suite: &Suite, subject: &Subject, tally: &mut Outcome) -> Result<(), Error> {
    for case in &suite.cases.all {
        let dy = case.input(37 * 5);
        let dx = subject.backward(&case.mask, &dy).await?;
        compare_values(tally, case, &dy, &reference::backward(&case.mask, &dy)?, &dx);
    }
    Ok(())
}

/// Also with ranges that start where four elements cannot be moved at once, and with p = 0, which is a copy.
async fn forward_between_buffers(suite: &Suite, subject: &Subject, tally: &mut Outcome) -> Result<(), Error> {
    for more in [[0, 0], [3, 1]] {
        for case in &suite.cases.all {
            let x = case.input(0);
            let (y, untouched) = subject.forward_between_buffers(&case.mask, &x, more).await?;
            compare_values(tally, case, &x, &reference::forward(&case.mask, &x)?, &y);
            tally.compare(untouched, || {
                format!("words around the output range were written, with ranges that start {more:?} words on: {case}")
            });
        }
    }
    Ok(())
}

fn compare_values(tally: &mut Outcome, case: &Case, x: &[f32], expected: &[f32], actual: &[u32]) {
    for local in 0..case.length {
        let i = local as usize;
        compare_value(tally, case, local, x[i], expected[i], actual.get(i).copied());
    }
}

fn compare_value(tally: &mut Outcome, case: &Case, local: u64, x: f32, expected: f32, actual: Option<u32>) {
    let keep = case.keeps(local);
    let equal = actual.is_some_and(|actual| honours_the_contract(case.mask.keeps_all(), keep, x, expected, actual));
    tally.compare(equal, || {
        let actual = actual.map_or("nothing".to_owned(), |bits| format!("{bits:08x} ({:e})", f32::from_bits(bits)));
        format!(
            "{}, {}, x {x:e}: expected {:08x} ({expected:e}), actual {actual}",
            case.element(local),
            kept(keep),
            expected.to_bits()
        )
    });
}

/// Bit-equal, but that a kept NaN gives some NaN, and a kept subnormal the exact result or a zero of its sign.
/// A dropped element is +0, whatever it was; where everything is kept the bits are copied.
fn honours_the_contract(copy: bool, keep: bool, x: f32, expected: f32, actual: u32) -> bool {
    let actual_value = f32::from_bits(actual);
    actual == expected.to_bits()
        || keep && !copy && x.is_nan() && actual_value.is_nan()
        || keep && !copy && x.is_subnormal() && actual == x.to_bits() & 0x8000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract() {
        const SUBNORMAL: u32 = 0x8000_0400;
        let scale = 1.25;
        for (keep, x, actual, equal) in [
            (true, 1.0f32.to_bits(), 1.25f32.to_bits(), true),
            (true, 1.0f32.to_bits(), 1.25f32.to_bits() + 1, false),
            (true, 0x8000_0000, 0x8000_0000, true),
            (true, 0x8000_0000, 0, false),
            (true, 0x7f80_0000, 0x7f80_0000, true),
            (true, 0x7f80_0000, 0x7fc0_0000, false),
            // Some NaN.
            (true, 0x7fa0_0001, 0xffc0_0000, true),
            (true, 0x7fa0_0001, 0x7f80_0000, false),
            (true, 1.0f32.to_bits(), 0x7fc0_0000, false),
            // The exact result, or a zero of its sign.
            (true, SUBNORMAL, 0x8000_0500, true),
            (true, SUBNORMAL, 0x8000_0000, true),
            (true, SUBNORMAL, 0, false),
            (true, SUBNORMAL, 0x8000_0501, false),
            (true, SUBNORMAL, SUBNORMAL, false),
            // Dropped is +0, whatever it was.
            (false, 0x7fc0_0000, 0, true),
            (false, 0x7fc0_0000, 0x7fc0_0000, false),
            (false, SUBNORMAL, 0, true),
            (false, SUBNORMAL, 0x8000_0000, false),
        ] {
            let x_value = f32::from_bits(x);
            let expected = if keep { x_value * scale } else { 0.0 };
            assert_eq!(honours_the_contract(false, keep, x_value, expected, actual), equal, "{keep} {x:x} {actual:x}");
        }
        // A copy keeps every bit.
        for x in [0x7fa0_0001, SUBNORMAL] {
            let x_value = f32::from_bits(x);
            assert!(honours_the_contract(true, true, x_value, x_value, x));
            assert!(!honours_the_contract(true, true, x_value, x_value, x & 0x8000_0000));
            assert!(!honours_the_contract(true, true, x_value, x_value, 0x7fc0_0000));
        }
    }
}
