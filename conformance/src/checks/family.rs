//! The kinds of dropout, selection, and normals.

use wgpu_dropout::{Context, Dropout, Dtype, Error, Generator, Key, Kind, Mask, Operation, View, reference};

use super::values::compare_operation;
use crate::{
    Outcome, Subject, Suite,
    cases::{Case, KEY, strided_views},
    elements::{self, Inputs, bits, bytes},
    outcome::Stop,
    steps,
    subject::{Data, KeyIn, Place},
};

const DIRECTIONS: [fn(Mask) -> Operation; 2] = [Operation::Forward, Operation::Backward];

pub async fn known_kinds(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.kinds {
        let operation = known.operation()?;
        let (x, y) = (&known.x.words, &known.y.words);
        let Some(&mask) = operation.mask() else { continue };
        let case = Case::of(known.p, mask, x.len() as u64)?;
        let actual = elements::run(subject.context(), operation, &Inputs::new(known.dtype, x)).await?;
        compare_operation(outcome, &case, &operation, known.dtype, [x, y, &actual]);
        outcome.go_on()?;
    }
    Ok(())
}

/// A mask over contiguous elements.
fn case_of(kind: Kind, p: f64, generator: Generator, view: View, length: u64) -> Result<Case, Error> {
    Case::of(p, Dropout::of_kind(kind, p)?.with_generator(generator).mask(KEY).at(view), length)
}

/// The kinds besides inverted dropout, which has checks of its own.
const OTHERS: [Kind; 3] = [Kind::Standard, Kind::Alpha, Kind::Gaussian];

/// Every kind, forward and backward, of every type, from starts of every sort; by the kernels of other devices a type at a
/// time.
pub async fn kinds(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (number, context) in contexts(subject).into_iter().enumerate() {
        let mut starts = [0, 5, (1 << 32) - 1000, (1 << 35) - 1027, 3, (1 << 34) - 1001].into_iter().cycle();
        let mut generators = Generator::ALL.iter().copied().cycle();
        for kind in Kind::ALL.iter().copied() {
            for (turn, p) in (number..).zip([0.0, 0.1, 0.5, 0.9, 1.0]) {
                if (kind, p) == (Kind::Gaussian, 1.0) {
                    continue;
                }
                let all = if number == 0 { Dtype::ALL } else { &Dtype::ALL[turn % Dtype::ALL.len()..][..1] };
                for &dtype in all {
                    let (start, generator) = (starts.next().unwrap_or(0), generators.next().unwrap_or_default());
                    let case = case_of(kind, p, generator, View::contiguous(start), 4099)?;
                    for direction in DIRECTIONS {
                        slices(context, outcome, &case, direction(case.mask), dtype).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// The identity, but for standard dropout, which multiplies by the probability to keep.
pub async fn evaluation(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for &kind in Kind::ALL {
        for p in [0.0, 0.1, 0.5, 0.9, 1.0 - 1e-9, 1.0] {
            if (kind, p) == (Kind::Gaussian, 1.0) {
                continue;
            }
            for &dtype in Dtype::ALL {
                let mask = Dropout::of_kind(kind, p)?.with_training(false).mask(KEY).at(3);
                let case = Case::of(p, mask, 2100)?;
                for direction in DIRECTIONS {
                    let operation = direction(case.mask);
                    slices(subject.context(), outcome, &case, operation, dtype).await?;
                    // Between buffers the device copies too.
                    let place = Place { input: dtype.size(), output: 3 * dtype.size(), one_buffer: false };
                    in_buffers(subject, subject.context(), outcome, &case, operation, dtype, place, None).await?;
                }
            }
        }
    }
    Ok(())
}

/// All 65,536 values of the 16-bit types, in arithmetic that has more than one step.
pub async fn every_half(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let x: Vec<u32> = (0..1 << 16).collect();
    for kind in OTHERS {
        for dtype in [Dtype::F16, Dtype::Bf16] {
            for (p, start) in [(0.1, 0), (0.5, 1 << 20)] {
                let case = case_of(kind, p, Generator::Threefry, View::contiguous(start), 1 << 16)?;
                let operation = Operation::Forward(case.mask);
                let inputs = Inputs::new(dtype, &x);
                let expected = elements::expected(operation, &inputs)?;
                let actual = elements::run(subject.context(), operation, &inputs).await?;
                compare_operation(outcome, &case, &operation, dtype, [&x, &expected, &actual]);
            }
        }
    }
    Ok(())
}

/// Between two buffers, in place, and between two ranges of one, at multiples of 16 bytes and at others, with the key among
/// the parameters and in a buffer; by the kernels that other devices use too.
pub async fn kinds_in_buffers(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let mut turn = 0;
    for (number, context) in contexts(subject).into_iter().enumerate() {
        for kind in OTHERS {
            for &dtype in Dtype::ALL {
                // Making kernels takes the most time: some of the places at a time, and of other devices' one.
                let every = if number == 0 { 2 } else { 6 };
                places(subject, context, outcome, kind, (dtype, 2100), (turn, every)).await?;
                turn += 1;
            }
        }
    }
    Ok(())
}

/// p lies beside the key in a buffer, and the mask's own is another: every kind, both ways, and selection.
pub async fn rates_in_buffers(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let mut turn = 0;
    for (number, context) in contexts(subject).into_iter().enumerate() {
        for &kind in Kind::ALL {
            for p in [0.0, 1e-9, 0.3, 1.0] {
                // By the kernels of other devices some, because making those takes the most time.
                let is_left_out = number > 0 && turn / 2 % 2 != number % 2;
                if (kind, p) == (Kind::Gaussian, 1.0) || is_left_out {
                    turn += usize::from(is_left_out);
                    continue;
                }
                let start = [0, 5, (1 << 35) - 1027][turn % 3];
                let generator = Generator::ALL[turn % Generator::ALL.len()];
                let case = case_of(kind, p, generator, View::contiguous(start), 2100)?;
                let dtype = Dtype::ALL[turn % Dtype::ALL.len()];
                let place = Place { input: 16, output: 16, one_buffer: false };
                let selects = kind == Kind::Standard && turn % 2 == 0;
                let (operation, other) = match selects {
                    true => (Operation::Select(case.mask), Some(Some(16))),
                    false => (DIRECTIONS[turn % 2](case.mask), None),
                };
                let key = KeyIn::RateBuffer;
                keyed_in_buffers(subject, context, outcome, &case, operation, dtype, place, other, key).await?;
                turn += 1;
            }
        }
    }
    Ok(())
}

/// On a device with tiny limits. A browser gives none: there nothing is split, and this says so.
pub async fn kinds_in_chunks(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    outcome.note_unless(subject.splits(), "this device is an ordinary one: nothing was split");
    for kind in OTHERS {
        for dtype in [Dtype::F32, Dtype::Bf16] {
            places(subject, subject.tiny(), outcome, kind, (dtype, 6011), (0, 1)).await?;
        }
    }
    Ok(())
}

async fn places(
    subject: &Subject,
    context: &Context,
    outcome: &mut Outcome,
    kind: Kind,
    (dtype, length): (Dtype, u64),
    (first, every): (usize, usize),
) -> Result<(), Stop> {
    let far = (length * dtype.size()).next_multiple_of(4) / dtype.size();
    let places = [(16, 16, false), (1, 3, false), (3, 16, false), (8, 8, true), (5, 5, true), (0, far + 3, true)];
    for (turn, (input, output, one_buffer)) in places.into_iter().enumerate().skip(first % every).step_by(every) {
        let start = [0, 5, (1 << 35) - 1027][turn % 3];
        let generator = Generator::ALL[turn / 2 % Generator::ALL.len()];
        let case = case_of(kind, 0.3, generator, View::contiguous(start), length)?;
        let [input, output] = [input, output].map(|elements| elements * dtype.size());
        let place = Place { input, output, one_buffer };
        let operation = DIRECTIONS[turn % 2](case.mask);
        in_buffers(subject, context, outcome, &case, operation, dtype, place, None).await?;
    }
    Ok(())
}

/// Shared axes, other strides and gathered rows, of values: every kind of every type in turn, as slices and in buffers, by all
/// kernels, split and whole.
pub async fn strides(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for case in &suite.cases.strided {
        let x = case.input(Dtype::F32);
        let inputs = Inputs { row_ids: case.row_ids.as_deref(), ..Inputs::new(Dtype::F32, &x) };
        let operation = Operation::Forward(case.mask);
        let expected = elements::expected(operation, &inputs)?;
        let actual = elements::run(subject.context(), operation, &inputs).await?;
        compare_operation(outcome, case, &operation, Dtype::F32, [&x, &expected, &actual]);
    }
    let contexts: Vec<_> = contexts(subject).into_iter().chain([subject.tiny()]).collect();
    let places = [(16, 16, false), (1, 3, false), (4, 4, true), (3, 16, false), (5, 5, true)];
    for (number, &generator) in Generator::ALL.iter().enumerate() {
        // Each view with one of the generators: making kernels takes the most time.
        let views = strided_views(generator)?.into_iter().enumerate().skip(number).step_by(Generator::ALL.len());
        for (turn, (view, length)) in views {
            // No two of these numbers have a common factor, but for kinds and contexts: those are moved against each other.
            let context = contexts[(turn + turn / contexts.len()) % contexts.len()];
            let (kind, dtype) = (Kind::ALL[turn % Kind::ALL.len()], Dtype::ALL[turn % Dtype::ALL.len()]);
            let (input, output, one_buffer) = places[turn % places.len()];
            let [input, output] = [input, output].map(|elements| elements * dtype.size());
            let place = Place { input, output, one_buffer };
            let case = case_of(kind, 0.3, generator, view, length)?;
            let operation = DIRECTIONS[turn / 2 % 2](case.mask);
            in_buffers(subject, context, outcome, &case, operation, dtype, place, None).await?;
        }
    }
    Ok(())
}

/// What is kept of one input, and the rest of another, bits unchanged: with the other in a buffer of its own, at several
/// offsets, and where the output is; for decisions of every sort, by all kernels, split and whole.
pub async fn selection(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let mut cases = vec![];
    for (p, start) in [(0.3, 0), (0.3, 5), (0.5, (1 << 35) - 1027), (0.0, 0), (1.0, 7)] {
        cases.push(case_of(Kind::Inverted, p, Generator::ALL[cases.len() % 2], View::contiguous(start), 2100)?);
    }
    let strided = suite.cases.strided.iter().step_by(7);
    // Elements before the input, the output and the other.
    let places = [
        (16, 16, false, Some(16)),
        (0, 0, false, None),
        (1, 3, false, Some(2)),
        (3, 1, false, None),
        (5, 5, true, Some(1)),
        (8, 8, true, Some(8)),
        (0, 8, false, Some(3)),
    ];
    let contexts: Vec<_> = contexts(subject).into_iter().chain([subject.tiny()]).collect();
    let mut turn = 0;
    for (number, case) in cases.iter().chain(strided.clone()).enumerate() {
        // Every type of decisions that follow each other, and one of the others, in turn.
        let all = if number < cases.len() { Dtype::ALL } else { &Dtype::ALL[number % Dtype::ALL.len()..][..1] };
        for &dtype in all {
            // One case at all places, and the others in turn, and so the contexts.
            for (input, output, one_buffer, other) in
                if number == 1 { places.to_vec() } else { vec![places[turn % places.len()]] }
            {
                let [input, output] = [input, output].map(|elements| elements * dtype.size());
                let other = other.map(|elements: u64| elements * dtype.size());
                let place = Place { input, output, one_buffer };
                let operation = Operation::Select(case.mask);
                let context = contexts[turn % contexts.len()];
                in_buffers(subject, context, outcome, case, operation, dtype, place, Some(other)).await?;
                turn += 1;
            }
        }
    }
    // As slices, of one type each.
    for (case, &dtype) in cases.iter().chain(strided).zip(Dtype::ALL.iter().cycle()) {
        let (x, other) = (case.input(dtype), other_input(case, dtype));
        let inputs = Inputs { dtype, x: &x, other: Some(&other), row_ids: case.row_ids.as_deref() };
        let operation = Operation::Select(case.mask);
        let expected = elements::expected(operation, &inputs)?;
        let actual = elements::run(subject.context(), operation, &inputs).await?;
        compare_operation(outcome, case, &operation, dtype, [&x, &expected, &actual]);
    }
    Ok(())
}

/// Nothing but NaN and infinity, of which nothing reaches what is dropped.
pub async fn dropped_nan(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let strange = [0x7fc0_0000, 0x7f80_0000, 0xffff_ffff, 0xff80_0000, 0x7f80_0001_u32];
    for context in contexts(subject) {
        for kind in [Kind::Inverted, Kind::Standard, Kind::Alpha] {
            for &dtype in Dtype::ALL {
                for p in [0.5, 0.9, 1.0] {
                    let case = case_of(kind, p, Generator::Threefry, View::contiguous(5), 4099)?;
                    let narrow = |bits: u32| match dtype {
                        Dtype::F32 => bits,
                        // The signalling NaN has no bits there: infinity again.
                        Dtype::Bf16 => bits >> 16,
                        _ => {
                            if bits & 0x7fff_ffff > 0x7f80_0000 {
                                0x7e01
                            } else {
                                0x7c00 | bits >> 31 << 15
                            }
                        }
                    };
                    let x: Vec<u32> = strange.into_iter().cycle().take(4099).map(narrow).collect();
                    for direction in DIRECTIONS {
                        let (operation, inputs) = (direction(case.mask), Inputs::new(dtype, &x));
                        let expected = elements::expected(operation, &inputs)?;
                        let actual = elements::run(context, operation, &inputs).await?;
                        compare_operation(outcome, &case, &operation, dtype, [&x, &expected, &actual]);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Multiplications and additions are not fused: elements are chosen for which that would give another result.
pub async fn separate_roundings(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    // With p = 0.5 or 0.9 sigma is a small integer, and its product often has nothing to round.
    for (kind, p) in [
        (Kind::Alpha, 0.1),
        (Kind::Alpha, 0.5),
        (Kind::Alpha, 0.9),
        (Kind::Gaussian, 0.1),
        (Kind::Gaussian, 0.3),
        (Kind::Gaussian, 0.7),
    ] {
        let case = case_of(kind, p, Generator::Threefry, View::contiguous(0), 4099)?;
        for (direction, ways) in DIRECTIONS.into_iter().zip(if kind == Kind::Alpha { [1, 0] } else { [2, 2] }) {
            let operation = direction(case.mask);
            let x: Vec<f32> = (0..case.length).map(|local| steps::telling(&operation, local)).collect();
            let y = reference::run(operation, &x)?;
            let mut told = [0; 2];
            for (local, (&x, &y)) in (0..).zip(x.iter().zip(&y)) {
                for (way, fused) in steps::fused(&operation, local, x).into_iter().enumerate() {
                    told[way] += u32::from(fused != y);
                }
            }
            outcome.compare(told[..ways].iter().all(|&told| told > 100), || {
                format!("{case}: the elements do not tell fused roundings from separate ones: {told:?}")
            });
            for context in contexts(subject).into_iter().chain([subject.tiny()]) {
                let actual = context.run(operation, &x).await?;
                for (local, (expected, actual)) in (0..).zip(y.iter().zip(&actual)) {
                    outcome.compare(expected.to_bits() == actual.to_bits(), || {
                        let i = local as usize;
                        let fused = steps::fused(&operation, local, x[i]);
                        let how = if fused.contains(actual) { ", what fused steps give" } else { "" };
                        let element = case.element(local);
                        format!("{element}, f32 {:e}: expected {expected:e}, actual {actual:e}{how}", x[i])
                    });
                }
                outcome.go_on()?;
            }
        }
    }
    Ok(())
}

pub async fn known_normals(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for known in &suite.vectors.normals {
        let (generator, key) = (known.key.generator, known.key.key());
        let z = reference::normals_q21(generator, key, known.start, known.length)?;
        let known_z = known.z.as_ref().map_or(&z, |z| &z.0);
        let expected: Vec<f32> = known_z.iter().map(|&z| z as f32 / 2_097_152.0).collect();
        let actual = subject.context().normals(generator, key, known.start, known.length).await?;
        compare_normals(outcome, (generator, key), known.start, &expected, &actual);
        // The reference stands in for long ones, so it must fit the checksum.
        let same = crate::vectors::Normals::new(known.key, known.start, z).crc32 == known.crc32;
        outcome.compare(same, || format!("the reference's normals of {known:?}"));
        outcome.go_on()?;
    }
    Ok(())
}

/// From every start of a block and of every length around a vector, behind a guard; many; split and whole; by all kernels.
pub async fn normals(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    outcome.note_unless(subject.splits(), "this device is an ordinary one: nothing was split");
    for &generator in Generator::ALL {
        let name = (generator, KEY);
        for context in contexts(subject).into_iter().chain([subject.tiny()]) {
            let last = (generator.normal_end() - 2100) as u64;
            for (start, offset) in [
                (0, 0),
                (1, 16),
                (2, 4),
                (3, 12),
                ((1 << 32) - 1001, 8),
                ((1 << 34) - 1002, 4),
                ((1 << 34) - 1024, 32),
                ((1 << 40) + 3, 0),
                (last, 20),
            ] {
                for count in [1, 3, 4, 5, 31, 33, 2100] {
                    let expected = reference::normals(generator, KEY, start, count)?;
                    let (bytes, untouched) = subject.normals_in_buffer(context, name, start, count, offset).await?;
                    let actual: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
                    compare_normals(outcome, name, start, &expected, &actual);
                    outcome
                        .compare(untouched, || format!("bytes around {count} normals at byte {offset} were written"));
                }
            }
        }
        // Enough for the rare octaves of the tail.
        let (start, count) = (1 << 33, (1 << 18) + 17);
        let expected = reference::normals(generator, KEY, start, count)?;
        compare_normals(
            outcome,
            name,
            start,
            &expected,
            &subject.context().normals(generator, KEY, start, count).await?,
        );
    }
    Ok(())
}

fn compare_normals(
    outcome: &mut Outcome,
    (generator, key): (Generator, Key),
    start: u64,
    expected: &[f32],
    actual: &[f32],
) {
    outcome
        .compare(expected.len() == actual.len(), || format!("{} normals, expected {}", actual.len(), expected.len()));
    for (i, (expected, actual)) in (0_u64..).zip(expected.iter().zip(actual)) {
        let index = start + i;
        outcome.compare(expected.to_bits() == actual.to_bits(), || {
            let Key { seed, stream } = key;
            format!(
                "normal {index} of {generator}, seed {seed}, stream {stream}: expected {expected:e}, actual {actual:e}"
            )
        });
    }
}

/// The ordinary device, and the same with the kernels that other devices use.
pub(super) fn contexts(subject: &Subject) -> Vec<&Context> {
    [subject.context()].into_iter().chain(subject.others().iter().map(|(_, context)| context)).collect()
}

async fn slices(
    context: &Context,
    outcome: &mut Outcome,
    case: &Case,
    operation: Operation,
    dtype: Dtype,
) -> Result<(), Stop> {
    let x = case.input(dtype);
    let inputs = Inputs { row_ids: case.row_ids.as_deref(), ..Inputs::new(dtype, &x) };
    let expected = elements::expected(operation, &inputs)?;
    let actual = elements::run(context, operation, &inputs).await?;
    compare_operation(outcome, case, &operation, dtype, [&x, &expected, &actual]);
    outcome.go_on()
}

/// Another input, which has other bits than the first everywhere.
fn other_input(case: &Case, dtype: Dtype) -> Vec<u32> {
    let sign = if dtype == Dtype::F32 { 0x8000_0001 } else { 0x8001 };
    case.input(dtype).into_iter().map(|bits| bits ^ sign).collect()
}

/// One call, with the key in a buffer where the output is at an odd number of elements.
#[allow(clippy::too_many_arguments, reason = "what a call can be is many things")]
async fn in_buffers(
    subject: &Subject,
    context: &Context,
    outcome: &mut Outcome,
    case: &Case,
    operation: Operation,
    dtype: Dtype,
    place: Place,
    other: Option<Option<u64>>,
) -> Result<(), Stop> {
    let key = if place.output / dtype.size() % 2 == 1 { KeyIn::Buffer } else { KeyIn::Parameters };
    keyed_in_buffers(subject, context, outcome, case, operation, dtype, place, other, key).await
}

#[allow(clippy::too_many_arguments, reason = "what a call can be is many things")]
async fn keyed_in_buffers(
    subject: &Subject,
    context: &Context,
    outcome: &mut Outcome,
    case: &Case,
    operation: Operation,
    dtype: Dtype,
    place: Place,
    other: Option<Option<u64>>,
    key: KeyIn,
) -> Result<(), Stop> {
    let x = case.input(dtype);
    let other_bits = other_input(case, dtype);
    let row_ids = case.row_ids.as_deref();
    let inputs = Inputs { dtype, x: &x, other: other.map(|_| &other_bits[..]), row_ids };
    let expected = elements::expected(operation, &inputs)?;
    let (x_bytes, other_bytes) = (bytes(dtype, &x), bytes(dtype, &other_bits));
    let other = other.map(|place| (&other_bytes[..], place));
    let data = Data { dtype, x: &x_bytes, other, row_ids, key };
    let (y, untouched) = subject.run_in_buffers(context, operation, data, place).await?;
    compare_operation(outcome, case, &operation, dtype, [&x, &expected, &bits(dtype, &y)]);
    outcome.compare(untouched, || format!("bytes around the {dtype} output were written, {place:?}: {case}"));
    outcome.go_on()
}
