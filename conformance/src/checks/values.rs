use wgpu_dropout::{Context, Dropout, Dtype, Error, Generator, Key, Mask, Operation, View};

use super::masks::{case_of, kept};
use crate::{
    Outcome, Subject, Suite,
    cases::{Case, KEY},
    elements::{self, Inputs, bits, bytes},
    outcome::Stop,
    steps::Step,
    subject::Place,
};

/// A kept 1 gives the scale.
pub async fn known_scales(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.thresholds {
        let case = case_of(known.p)?;
        let x = vec![1.0_f32.to_bits(); case.length as usize];
        let scale = known.scale.words[0];
        let expected: Vec<_> = (0..case.length).map(|local| if case.keeps(local) { scale } else { 0 }).collect();
        let actual = forward(subject.context(), &case.mask, Dtype::F32, &x).await?;
        compare(outcome, &case, Dtype::F32, &x, &expected, &actual);
    }
    Ok(())
}

pub async fn known_values(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.values {
        let x = &known.x.words;
        let case = Case::of(known.p, known.mask()?, x.len() as u64)?;
        let actual = forward(subject.context(), &case.mask, known.dtype, x).await?;
        compare(outcome, &case, known.dtype, x, &known.y.words, &actual);
    }
    Ok(())
}

pub async fn lengths(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    slices(subject, outcome, &suite.cases.lengths).await
}

pub async fn start_indexes(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    slices(subject, outcome, &suite.cases.starts).await
}

pub async fn probabilities(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    slices(subject, outcome, &suite.cases.probabilities).await
}

pub async fn rows(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    slices(subject, outcome, &suite.cases.rows).await
}

async fn slices(subject: &Subject, outcome: &mut Outcome, cases: &[Case]) -> Result<(), Stop> {
    for case in cases {
        let x = case.input(Dtype::F32);
        let expected = expected(case, Dtype::F32, &x)?;
        let actual = forward(subject.context(), &case.mask, Dtype::F32, &x).await?;
        compare(outcome, case, Dtype::F32, &x, &expected, &actual);
        outcome.go_on()?;
    }
    Ok(())
}

/// The mask is computed again from the key.
pub async fn backward(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for case in &suite.cases.starts {
        let dy = case.input(Dtype::F32);
        let expected = expected(case, Dtype::F32, &dy)?;
        let dx = subject.context().backward::<f32>(&case.mask, bytemuck::cast_slice(&dy)).await?;
        compare(outcome, case, Dtype::F32, &dy, &expected, bytemuck::cast_slice(&dx));
    }
    Ok(())
}

pub async fn every_f16(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    every_value(subject, outcome, Dtype::F16).await
}

pub async fn every_bf16(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    every_value(subject, outcome, Dtype::Bf16).await
}

/// All 65,536 values of a 16-bit type, and with most p under two keys, because some are dropped. The scales of 0.2 and
/// 1/3 are 1.25 and 1.5, so that products lie in the middle between two values; with other scales hardly any does.
async fn every_value(subject: &Subject, outcome: &mut Outcome, dtype: Dtype) -> Result<(), Stop> {
    let x: Vec<u32> = (0..1 << 16).collect();
    for (p, keys) in [(0.0, 1), (1e-6, 1), (0.1, 2), (0.2, 2), (1.0 / 3.0, 2), (0.5, 2)] {
        for step in 0..keys {
            let case = Case::of(p, Dropout::new(p)?.mask(Key::new(1).with_step(step)), 1 << 16)?;
            let expected = expected(&case, dtype, &x)?;
            let actual = forward(subject.context(), &case.mask, dtype, &x).await?;
            compare(outcome, &case, dtype, &x, &expected, &actual);
            outcome.go_on()?;
        }
    }
    Ok(())
}

pub async fn f32_in_buffers(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    between_buffers(suite, subject, outcome, Dtype::F32, Generator::Threefry).await?;
    between_buffers(suite, subject, outcome, Dtype::F32, Generator::Philox).await
}

pub async fn f16_in_buffers(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    between_buffers(suite, subject, outcome, Dtype::F16, Generator::Threefry).await
}

pub async fn bf16_in_buffers(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    between_buffers(suite, subject, outcome, Dtype::Bf16, Generator::Threefry).await
}

/// From one buffer to another, where four words can be moved at once and where they cannot, and with p = 0, a copy.
async fn between_buffers(
    suite: &Suite,
    subject: &Subject,
    outcome: &mut Outcome,
    dtype: Dtype,
    generator: Generator,
) -> Result<(), Stop> {
    let copy = Case::new(0.0, generator, View::contiguous(0), 4099)?;
    let lengths = suite.cases.lengths.iter().filter(|case| case.mask.generator() == generator);
    for case in lengths.chain([&copy]) {
        let few = case.length < 2047;
        // Elements before the input and the output.
        for before in [[16, 16], [1, 3], [3, 16]] {
            // Short ranges are enough at one place.
            if few && before != [1, 3] {
                continue;
            }
            let [input, output] = before.map(|elements| elements * dtype.size());
            let place = Place { input, output, one_buffer: false };
            compare_in_buffers(subject, subject.context(), outcome, case, dtype, place).await?;
        }
    }
    Ok(())
}

pub async fn in_place(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for &dtype in Dtype::ALL {
        for case in suite.cases.starts.iter().filter(|case| case.mask.generator() == Generator::Threefry) {
            for before in [16, 1] {
                let at = before * dtype.size();
                let place = Place { input: at, output: at, one_buffer: true };
                compare_in_buffers(subject, subject.context(), outcome, case, dtype, place).await?;
            }
        }
    }
    Ok(())
}

/// As frameworks pack tensors. The input must stay.
pub async fn two_ranges_of_one_buffer(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for &dtype in Dtype::ALL {
        for case in suite.cases.starts.iter().filter(|case| case.mask.generator() == Generator::Threefry) {
            let (low, high) = apart(case, dtype);
            for (input, output) in [(low, high), (high, low)] {
                let place = Place { input, output, one_buffer: true };
                compare_in_buffers(subject, subject.context(), outcome, case, dtype, place).await?;
            }
        }
    }
    Ok(())
}

/// The reference's masks, packed in a buffer, to ranges that begin inside a word and to others.
pub async fn packed_masks(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for &dtype in Dtype::ALL {
        for case in suite.cases.lengths.iter().filter(|case| case.mask.generator() == Generator::Threefry) {
            for before in [16, 1] {
                let x = case.input(dtype);
                let expected = expected(case, dtype, &x)?;
                let at = before * dtype.size();
                let scale = case.mask.scale();
                let (y, untouched) =
                    subject.apply_mask_in_place(&case.keep, scale, dtype, &bytes(dtype, &x), at).await?;
                compare(outcome, case, dtype, &x, &expected, &bits(dtype, &y));
                outcome.compare(untouched, || format!("bytes around the {dtype} output at {at} were written: {case}"));
                outcome.go_on()?;
            }
        }
    }
    Ok(())
}

/// Two ranges that are neighbours, but that they share no word; neither at a multiple of 16 bytes.
fn apart(case: &Case, dtype: Dtype) -> (u64, u64) {
    let (low, size) = (dtype.size(), case.length * dtype.size());
    (low, (low + size).next_multiple_of(4) + dtype.size())
}

/// A matrix cut in four unevenly, by rows and by columns, equals the whole.
pub async fn splits(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let (rows, columns) = (101, 77);
    for &generator in Generator::ALL {
        let whole = Case::new(0.3, generator, View::contiguous((1 << 35) - 3000), rows * columns)?;
        let x = whole.input(Dtype::F32);
        let expected = expected(&whole, Dtype::F32, &x)?;
        let mut joined = vec![0xdead_beef; x.len()];
        for rows in [0..30, 30..rows] {
            for range in [0..13, 13..columns] {
                let (width, columns) = ((range.end - range.start) as usize, columns as usize);
                let at = |row: u64| row as usize * columns + range.start as usize;
                let shard: Vec<u32> = rows.clone().flat_map(|row| &x[at(row)..][..width]).copied().collect();
                let start = whole.mask.view().start() + at(rows.start) as u64;
                let mask = Dropout::new(whole.p)?.with_generator(generator).mask(KEY);
                let mask = mask.at(View::rows(start, width as u64, columns as u64));
                let y = forward(subject.context(), &mask, Dtype::F32, &shard).await?;
                for (row, y) in rows.clone().zip(y.chunks(width)) {
                    joined[at(row)..][..y.len()].copy_from_slice(y);
                }
            }
        }
        compare(outcome, &whole, Dtype::F32, &x, &expected, &joined);
    }
    Ok(())
}

/// By the kernels that other devices use: every type, from every start of a group, where 16 bytes can be moved at once and
/// where they cannot, in place and between buffers; rows and other p at one of these places by turns, because making kernels
/// takes the most time.
pub async fn other_schedules(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let threefry = |case: &&Case| case.mask.generator() == Generator::Threefry && case.length > 2000;
    let views = (0..8).map(View::contiguous).chain([View::contiguous((1 << 35) - 1027)]);
    let starts = views.map(|view| Case::new(0.3, Generator::Threefry, view, 2100)).collect::<Result<Vec<_>, _>>()?;
    let edges = suite.cases.probabilities.iter().chain(&suite.cases.rows).filter(threefry);
    let contexts = || subject.others().iter().map(|(_, context)| context);
    for case in suite.cases.lengths.iter().chain(&suite.cases.starts).chain(&suite.cases.probabilities) {
        let x = case.input(Dtype::F32);
        let expected = expected(case, Dtype::F32, &x)?;
        for context in contexts() {
            let actual = forward(context, &case.mask, Dtype::F32, &x).await?;
            compare(outcome, case, Dtype::F32, &x, &expected, &actual);
            outcome.go_on()?;
        }
    }
    let places = [(16, 16, false), (0, 1, false), (1, 0, false), (1, 1, false), (3, 2, false), (5, 5, true)];
    let place = |dtype: Dtype, (input, output, one_buffer): (u64, u64, bool)| {
        let [input, output] = [input, output].map(|elements| elements * dtype.size());
        Place { input, output, one_buffer }
    };
    for &dtype in Dtype::ALL {
        for case in &starts {
            for at in places {
                for context in contexts() {
                    compare_in_buffers(subject, context, outcome, case, dtype, place(dtype, at)).await?;
                }
            }
        }
        for (case, at) in edges.clone().zip(places.into_iter().cycle().skip(dtype.size() as usize)) {
            for context in contexts() {
                compare_in_buffers(subject, context, outcome, case, dtype, place(dtype, at)).await?;
            }
        }
    }
    Ok(())
}

/// On a device with tiny limits: between buffers, and between two ranges too far apart for one binding. A browser gives
/// none: there nothing is split, and this says so.
pub async fn chunks(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    outcome.note_unless(subject.splits(), "this device is an ordinary one: nothing was split");
    let threefry = |case: &&Case| case.mask.generator() == Generator::Threefry && case.length > 2049;
    let lengths = suite.cases.lengths.iter().filter(threefry);
    let rows = suite.cases.rows.iter().filter(threefry);
    for case in lengths.chain(rows) {
        for dtype in [Dtype::F32, Dtype::F16] {
            let (low, high) = apart(case, dtype);
            for (input, output, one_buffer) in [(64, 64, false), (low, 3 * low, false), (low, high, true)] {
                let place = Place { input, output, one_buffer };
                compare_in_buffers(subject, subject.tiny(), outcome, case, dtype, place).await?;
            }
        }
    }
    Ok(())
}

async fn compare_in_buffers(
    subject: &Subject,
    context: &Context,
    outcome: &mut Outcome,
    case: &Case,
    dtype: Dtype,
    place: Place,
) -> Result<(), Stop> {
    let x = case.input(dtype);
    let expected = expected(case, dtype, &x)?;
    let (y, untouched) = subject.forward_in_buffers(context, &case.mask, dtype, &bytes(dtype, &x), place).await?;
    compare(outcome, case, dtype, &x, &expected, &bits(dtype, &y));
    outcome.compare(untouched, || format!("bytes around the {dtype} output were written, {place:?}: {case}"));
    outcome.go_on()
}

fn expected(case: &Case, dtype: Dtype, x: &[u32]) -> Result<Vec<u32>, Error> {
    elements::expected(Operation::Forward(case.mask), &Inputs::new(dtype, x))
}

async fn forward(context: &Context, mask: &Mask, dtype: Dtype, x: &[u32]) -> Result<Vec<u32>, Error> {
    elements::run(context, Operation::Forward(*mask), &Inputs::new(dtype, x)).await
}

fn compare(outcome: &mut Outcome, case: &Case, dtype: Dtype, x: &[u32], expected: &[u32], actual: &[u32]) {
    compare_operation(outcome, case, &Operation::Forward(case.mask), dtype, [x, expected, actual]);
}

/// Every element: input, expected, actual.
pub fn compare_operation(
    outcome: &mut Outcome,
    case: &Case,
    operation: &Operation,
    dtype: Dtype,
    [x, expected, actual]: [&[u32]; 3],
) {
    let digits = dtype.size() as usize * 2;
    for local in 0..case.length {
        let i = local as usize;
        let (x, expected, actual, keep) = (x[i], expected[i], actual.get(i).copied(), case.keeps(local));
        let right = actual.is_some_and(|actual| {
            // Most are.
            actual == expected
                || elements::is_right(dtype, Step::of(operation, keep, case.index(local)), x, expected, actual)
        });
        outcome.compare(right, || {
            let show = |bits: u32| format!("{bits:0digits$x} ({:e})", elements::value(dtype, bits));
            let actual = actual.map_or("nothing".to_owned(), show);
            let (expected, x) = (show(expected), show(x));
            format!("{}, {}, {dtype} {x}: expected {expected}, actual {actual}", case.element(local), kept(keep))
        });
    }
}
