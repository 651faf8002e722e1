//! Random combinations of everything a call can be, against the reference: operation, kind, type, length, offsets, place,
//! view, probability, key, schedule, limits of the device. Guards around every range must stay.
use std::sync::OnceLock;

use crate::adapters::{buffer, device, read, subjects};
use half::{bf16, f16};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use wgpu_dropout::{
    BufferRange, Context, Dropout, Dtype, Element, Error, Generator, Key, Kind, Mask, MaskFormat, Operation, Options,
    Ranges, Slices, View, kernels::Schedule, reference,
};

#[derive(Clone, Debug)]
enum Place {
    TwoBuffers,
    Same,
    /// Two ranges of one buffer, this many bytes apart; whether the output comes first.
    Apart(usize, bool),
}

/// Where the decisions come from.
#[derive(Clone, Copy, Debug)]
enum Decider {
    Key,
    /// A key in a buffer, after this many other words.
    KeyInBuffer(usize),
    /// A packed mask in a buffer of its own, after this many other words.
    PackedMask(usize),
    /// A packed mask in the output's buffer, after the rest.
    PackedMaskInOutput,
}

/// What is done with the decisions of a key.
#[derive(Clone, Copy, Debug)]
enum What {
    Forward,
    Backward,
    /// With another input, in a buffer of its own after this many elements.
    Select(usize),
    /// With another input where the output is.
    SelectInOutput,
}

#[derive(Clone, Debug)]
struct Case {
    context: usize,
    mask: Mask,
    /// Of the rows of a gathered view.
    row_ids: Option<Vec<u32>>,
    what: What,
    decider: Decider,
    dtype: Dtype,
    length: usize,
    /// Elements before the ranges.
    shifts: [usize; 2],
    place: Place,
    seed: u64,
}

/// Ordinary devices, and devices whose bindings and dispatches are tiny, with every schedule.
fn contexts() -> &'static [(String, Context)] {
    static CONTEXTS: OnceLock<Vec<(String, Context)>> = OnceLock::new();
    CONTEXTS.get_or_init(|| {
        let mut contexts = vec![];
        for subject in subjects() {
            for &schedule in Schedule::ALL {
                for tiny in [false, true] {
                    let (device, queue) = device(subject, |descriptor| {
                        if tiny {
                            descriptor.required_limits.max_storage_buffer_binding_size = 4096;
                            descriptor.required_limits.max_compute_workgroups_per_dimension = 2;
                        }
                    });
                    let options =
                        Options::default().with_workgroup_size(32).with_immediates(!tiny).with_schedule(schedule);
                    let context = Context::with_options(device, queue, options).unwrap();
                    contexts.push((format!("{} {schedule:?}, tiny limits: {tiny}", subject.name), context));
                }
            }
        }
        contexts
    })
}

fn start() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![0_u64..100, (1_u64 << 32) - 50..1 << 32, (1_u64 << 35) - 50..1 << 35, (1_u64 << 40)..(1 << 40) + 50]
}

/// Views without a shape.
fn endless() -> impl Strategy<Value = View> {
    let rows = (
        start(),
        prop_oneof![1_u64..10, 10_u64..200, 200_u64..3000],
        prop_oneof![0_u64..5, any::<u32>().prop_map(u64::from)],
    );
    // Longer than 32 bits reach, with an end within the case.
    let long = (start(), prop_oneof![Just(31_u32), Just(32), Just(40), Just(57)], 0_u64..5, 0_u64..3, 0_u64..6000)
        .prop_map(|(start, power, more, gap, before)| {
            let length = (1 << power) + more;
            View::rows(start, length, length + gap).skip(length - before.min(length))
        });
    prop_oneof![
        2 => start().prop_map(View::contiguous),
        2 => rows.prop_map(|(start, length, gap)| View::rows(start, length, length + gap)),
        1 => long,
    ]
}

/// How the axes of a shape lie in the whole.
#[derive(Clone, Copy, Debug)]
enum Axes {
    /// Shared where a bit is set.
    Shared(u8),
    Gathered(u8),
    /// Strides made of this.
    Strided(u64),
    GatheredStrided(u64),
}

/// Views with a shape of 1 to 8 axes.
fn shaped() -> impl Strategy<Value = View> {
    let axes = prop_oneof![
        2 => any::<u8>().prop_map(Axes::Shared),
        1 => any::<u8>().prop_map(Axes::Gathered),
        2 => any::<u64>().prop_map(Axes::Strided),
        1 => any::<u64>().prop_map(Axes::GatheredStrided),
    ];
    // One axis may be long, the others are short.
    let shape = (proptest::collection::vec(1_u64..6, 1..=8), 0_usize..8, prop_oneof![Just(1_u64), 1_u64..3000]);
    (start(), shape, axes).prop_map(|(start, (mut shape, which, long), axes)| {
        let rank = shape.len();
        let others: u64 = shape.iter().product::<u64>() / shape[which % rank];
        shape[which % rank] = shape[which % rank].max(long.min(12_000 / others));
        if let Axes::Gathered(_) | Axes::GatheredStrided(_) = axes {
            // A tiny device binds no more ids.
            shape[0] = shape[0].min(512);
        }
        let strides = |mut seed: u64, most: u64| -> Vec<u64> {
            let mut inside = 1;
            let mut strides: Vec<_> = shape
                .iter()
                .rev()
                .map(|extent| {
                    let choice = seed & 7;
                    seed = seed.rotate_right(7);
                    let stride = match choice {
                        0 | 1 => 0,
                        2..=4 => inside,
                        5 => inside + 1,
                        6 => seed & 0x1ff,
                        _ => seed & most,
                    };
                    inside *= extent;
                    stride
                })
                .collect();
            strides.reverse();
            strides
        };
        let shared = |bits: u8| (0..rank).filter(|axis| bits >> axis & 1 == 1).collect::<Vec<_>>();
        let view = match axes {
            Axes::Shared(bits) => View::shared(start, &shape, &shared(bits)),
            Axes::Gathered(bits) => View::shared(start, &shape, &shared(bits & !1)).and_then(View::gathered),
            Axes::Strided(seed) => View::strided(start, &shape, &strides(seed, (1 << 42) - 1)),
            Axes::GatheredStrided(seed) => {
                let mut strides = strides(seed, (1 << 20) - 1);
                strides[0] = strides[0].max(1);
                View::strided(start, &shape, &strides).and_then(View::gathered)
            }
        };
        view.unwrap()
    })
}

/// Ids of rows: the largest, some twice.
fn row_ids(view: &View, seed: u64) -> Option<Vec<u32>> {
    let id = |row: u64| match (row ^ seed) % 5 {
        0 => u32::MAX,
        1 => 7,
        _ => (row ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) as u32,
    };
    view.is_gathered().then(|| (0..view.row_ids()).map(id).collect())
}

fn case() -> impl Strategy<Value = Case> {
    let dropout = (
        prop_oneof![4 => Just(Kind::Inverted), 1 => Just(Kind::Standard), 2 => Just(Kind::Alpha), 2 => Just(Kind::Gaussian)],
        prop_oneof![1 => Just(0.0), 2 => Just(0.5), 1 => Just(1.0), 1 => Just(1e-6), 5 => 0.0..1.0_f64],
        prop_oneof![Just(Generator::Threefry), Just(Generator::Philox)],
        prop_oneof![9 => Just(true), 1 => Just(false)],
    )
        .prop_map(|(kind, p, generator, training)| {
            let p = if (kind, p) == (Kind::Gaussian, 1.0) { 0.7 } else { p };
            Dropout::of_kind(kind, p).unwrap().with_generator(generator).with_training(training)
        });
    let mask = (dropout, any::<[u64; 2]>(), prop_oneof![endless(), shaped()], 0_u64..3000).prop_map(
        |(dropout, [seed, stream], view, skipped)| {
            let skipped = elements(&view).map_or(skipped, |all| if skipped < 1000 { 0 } else { skipped % all });
            dropout.mask(Key::new(seed).with_stream(stream)).at(view).skip(skipped)
        },
    );
    let what = prop_oneof![
        4 => Just(What::Forward),
        2 => Just(What::Backward),
        1 => (0_usize..20).prop_map(What::Select),
        1 => Just(What::SelectInOutput),
    ];
    let decider = prop_oneof![
        4 => Just(Decider::Key),
        2 => (0_usize..100).prop_map(Decider::KeyInBuffer),
        1 => (0_usize..100).prop_map(Decider::PackedMask),
        1 => Just(Decider::PackedMaskInOutput),
    ];
    let place = prop_oneof![
        Just(Place::TwoBuffers),
        Just(Place::Same),
        (0_usize..6000, any::<bool>()).prop_map(|(apart, first)| Place::Apart(apart, first)),
    ];
    (
        (0..contexts().len(), what),
        mask,
        decider,
        prop_oneof![Just(Dtype::F32), Just(Dtype::F16), Just(Dtype::Bf16)],
        prop_oneof![0_usize..70, 0_usize..6000],
        [0_usize..20, 0_usize..20],
        prop_oneof![Just(0), Just(8)],
        place,
        any::<u64>(),
    )
        .prop_map(|((context, what), mask, decider, dtype, length, shifts, align, place, seed)| {
            // A good share of aligned ranges, which other kernels handle.
            let shifts = if align == 0 { shifts } else { shifts.map(|shift| shift / align * align) };
            let view = mask.view();
            let left = elements(&view).map_or(u64::MAX, |all| all - view.skipped());
            let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
            // Noise makes no decisions.
            let noise = mask.kind() == Kind::Gaussian;
            let decider = match decider {
                Decider::PackedMask(_) | Decider::PackedMaskInOutput if noise => Decider::Key,
                decider => decider,
            };
            let what = match (what, decider) {
                (What::Select(_) | What::SelectInOutput, _) if noise => What::Backward,
                (_, Decider::PackedMask(_) | Decider::PackedMaskInOutput) => What::Forward,
                (what, _) => what,
            };
            Case { context, mask, row_ids: row_ids(&view, seed), what, decider, dtype, length, shifts, place, seed }
        })
}

/// Elements of a view that has a shape.
fn elements(view: &View) -> Option<u64> {
    (view.shape()[0] != u64::MAX).then(|| view.shape().iter().product())
}

/// Bytes that are finite numbers of moderate size in every type.
fn data(case: &Case, seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 2001) as f32 / 8.0 - 125.0
    };
    let elements = bytes / case.dtype.size() as usize;
    match case.dtype {
        Dtype::F32 => bytemuck::cast_slice(&(0..elements).map(|_| next()).collect::<Vec<f32>>()).to_vec(),
        Dtype::F16 => bytemuck::cast_slice(&(0..elements).map(|_| f16::from_f32(next())).collect::<Vec<_>>()).to_vec(),
        _ => bytemuck::cast_slice(&(0..elements).map(|_| bf16::from_f32(next())).collect::<Vec<_>>()).to_vec(),
    }
}

fn operation(case: &Case, mask: Mask) -> Operation {
    match (case.decider, case.what) {
        (Decider::PackedMask(_) | Decider::PackedMaskInOutput, _) => Operation::ApplyMask { scale: PACKED_SCALE },
        (_, What::Forward) => Operation::Forward(mask),
        (_, What::Backward) => Operation::Backward(mask),
        (_, What::Select(_) | What::SelectInOutput) => Operation::Select(mask),
    }
}

fn expected(case: &Case, x: &[u8], other: &[u8]) -> Vec<u8> {
    fn run<T: Element>(case: &Case, x: &[u8], other: &[u8]) -> Vec<u8> {
        let [x, other] = [x, other].map(bytemuck::pod_collect_to_vec::<u8, T>);
        let (operation, packed) = (operation(case, case.mask), packed(case));
        let mut slices = Slices::new(&x);
        match operation {
            Operation::ApplyMask { .. } => slices = slices.with_packed_mask(&packed),
            Operation::Select(_) => slices = slices.with_other(&other),
            _ => {}
        }
        if let (Some(ids), Some(_)) = (&case.row_ids, operation.mask()) {
            slices = slices.with_row_ids(ids);
        }
        bytemuck::cast_slice(&reference::run(operation, slices).unwrap()).to_vec()
    }
    match case.dtype {
        Dtype::F32 => run::<f32>(case, x, other),
        Dtype::F16 => run::<f16>(case, x, other),
        _ => run::<bf16>(case, x, other),
    }
}

const PACKED_SCALE: f32 = -1.5;

/// A packed mask of the caller: its unused bits are anything.
fn packed(case: &Case) -> Vec<u32> {
    let Ok(mut words) = keep_mask(case) else { return vec![] };
    if let (Some(last), used @ 1..) = (words.last_mut(), case.length % 32) {
        *last |= 0xa5a5_a5a5 << used;
    }
    words
}

fn keep_mask(case: &Case) -> Result<Vec<u32>, Error> {
    match &case.row_ids {
        Some(ids) => reference::gathered_keep_mask(&case.mask, case.length as u64, ids),
        None => reference::keep_mask(&case.mask, case.length as u64),
    }
}

const GUARD: usize = 12;

fn words(bytes: &[u8]) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(bytes)
}

fn run(case: &Case) -> Result<(), TestCaseError> {
    let (name, context) = &contexts()[case.context];
    let element = case.dtype.size() as usize;
    let size = case.length * element;
    let x = data(case, case.seed, size);
    let other = data(case, !case.seed, size);
    let [before_input, before_output] = case.shifts.map(|shift| shift * element);
    let round = |bytes: usize| (bytes + GUARD).next_multiple_of(4);
    let poisoned = |length: usize| -> Vec<u8> { (0..length).map(|i| (i * 37 + 11) as u8 | 1).collect() };

    // Where input and output lie, and what the buffers hold before and after.
    let (input_at, output_at, one_buffer) = match case.place {
        Place::TwoBuffers => (before_input, before_output, false),
        Place::Same => (before_output, before_output, true),
        Place::Apart(apart, output_first) => {
            let low = before_input;
            // The next word at least, so that the two share none.
            let high = (low + size).next_multiple_of(4) + apart / element * element + before_output;
            if output_first { (high, low, true) } else { (low, high, true) }
        }
    };
    let mut input = poisoned(round(input_at.max(if one_buffer { output_at } else { 0 }) + size));
    input[input_at..input_at + size].copy_from_slice(&x);
    let mut output = if one_buffer { input.clone() } else { poisoned(round(output_at + size)) };
    // In place both inputs are the same then.
    let other = match (case.what, &case.place) {
        (What::SelectInOutput, Place::Same) => x.clone(),
        _ => other,
    };
    if let What::SelectInOutput = case.what {
        output[output_at..output_at + size].copy_from_slice(&other);
        if one_buffer {
            input = output.clone();
        }
    }
    let packed_at = output.len().next_multiple_of(256);
    if let Decider::PackedMaskInOutput = case.decider {
        output.resize(packed_at, 0x77);
        output.extend_from_slice(bytemuck::cast_slice(&packed(case)));
        output.extend_from_slice(&[0x77; 4]);
        if one_buffer {
            input = output.clone();
        }
    }
    let input_buffer = buffer(context, &words(&input));
    let output_buffer = if one_buffer { input_buffer.clone() } else { buffer(context, &words(&output)) };
    let range = |buffer, at: usize| BufferRange::new(buffer, at as u64, size as u64).with_dtype(case.dtype);
    let (from, to) = (range(&input_buffer, input_at), range(&output_buffer, output_at));
    let after = |before: usize, words: &[u32]| [&vec![0x5555_5555; before], words, &[0x5555_5555]].concat();
    let mut ranges = Ranges::new(from, to);
    let (others, ids, masks);
    match case.what {
        What::Forward | What::Backward => {}
        What::Select(before) => {
            let before = before * element;
            let mut content = poisoned(round(before + size));
            content[before..before + size].copy_from_slice(&other);
            others = buffer(context, &words(&content));
            ranges = ranges.with_other(range(&others, before));
        }
        What::SelectInOutput => ranges = ranges.with_other(to),
    }
    let id_words = after((case.seed % 9) as usize, case.row_ids.as_deref().unwrap_or_default());
    ids = buffer(context, &id_words);
    let id_bytes = case.row_ids.as_ref().map_or(0, |ids| ids.len() as u64 * 4);
    let id_range = BufferRange::new(&ids, case.seed % 9 * 4, id_bytes);
    let operation_with = |mask| operation(case, mask);
    let ranges = match case.decider {
        Decider::Key | Decider::KeyInBuffer(_) if case.row_ids.is_some() => ranges.with_row_ids(id_range),
        Decider::Key | Decider::KeyInBuffer(_) => ranges,
        Decider::PackedMask(before) => {
            let words = packed(case);
            masks = buffer(context, &after(before, &words));
            ranges.with_packed_mask(BufferRange::new(&masks, before as u64 * 4, words.len() as u64 * 4))
        }
        Decider::PackedMaskInOutput => {
            let size = packed(case).len() as u64 * 4;
            ranges.with_packed_mask(BufferRange::new(&output_buffer, packed_at as u64, size))
        }
    };
    match case.decider {
        Decider::KeyInBuffer(before) => {
            let words: Vec<u32> = bytemuck::pod_collect_to_vec(&case.mask.key().to_bytes());
            let keys = buffer(context, &after(before, &words));
            let key = context.bind_key(BufferRange::new(&keys, before as u64 * 4, 16)).unwrap();
            let other_key = Key::new(!case.mask.key().seed);
            context.submit(operation_with(case.mask.with_key(other_key)).keyed_by(&key), ranges)
        }
        _ => context.submit(operation_with(case.mask), ranges),
    }
    .unwrap();
    output[output_at..output_at + size].copy_from_slice(&expected(case, &x, &other));
    let [actual] = read(context, [&output_buffer]);
    let actual: &[u8] = bytemuck::cast_slice(&actual);
    if let Some(i) = (0..output.len()).find(|&i| actual[i] != output[i]) {
        let element = (i as i64 - output_at as i64).div_euclid(element as i64);
        return Err(TestCaseError::fail(format!(
            "{name}: byte {i}, element {element}: expected {:02x}, actual {:02x}",
            output[i], actual[i]
        )));
    }

    // The mask, as bits and as bytes at an odd place.
    let Ok(keep) = keep_mask(case) else { return Ok(()) };
    let length = case.length as u64;
    let with_ids = |ranges: Ranges<'_>| {
        let ranges = if case.row_ids.is_some() { ranges.with_row_ids(id_range) } else { ranges };
        context.submit(Operation::KeepMask(case.mask), ranges).unwrap();
    };
    let bits = buffer(context, &vec![0xdead_beef; keep.len() + 2]);
    with_ids(Ranges::mask(BufferRange::new(&bits, 4, keep.len() as u64 * 4), length, MaskFormat::Bits));
    let mut bytes = poisoned(round(case.shifts[0] + case.length));
    let byte_buffer = buffer(context, &words(&bytes));
    let byte_range = BufferRange::new(&byte_buffer, case.shifts[0] as u64, length);
    with_ids(Ranges::mask(byte_range, length, MaskFormat::Bytes));
    for i in 0..case.length {
        bytes[case.shifts[0] + i] = (keep[i / 32] >> (i % 32)) as u8 & 1;
    }
    let [bits, actual_bytes] = read(context, [&bits, &byte_buffer]);
    prop_assert!(bits == [&[0xdead_beef], &keep[..], &[0xdead_beef]].concat(), "{name}: bits");
    prop_assert!(bytemuck::cast_slice::<u32, u8>(&actual_bytes) == bytes, "{name}: bytes");
    Ok(())
}

/// Always the same cases, so that a failure can be repeated.
#[test]
fn any_call_equals_the_reference() {
    let config = ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(config, rng).run(&case(), |case| run(&case)).unwrap();
}
