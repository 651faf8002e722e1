//! Random combinations of everything a call can be, against the reference: type, length, offsets, place, view,
//! probability, key, schedule, limits of the device. Guards around every range must stay.
use std::sync::OnceLock;

use crate::adapters::{buffer, device, read, subjects};
use half::{bf16, f16};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use wgpu_dropout::{
    BufferRange, Context, Dropout, Dtype, Generator, Key, Mask, MaskFormat, Options, View, kernels::Schedule, reference,
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

#[derive(Clone, Debug)]
struct Case {
    context: usize,
    mask: Mask,
    /// The same with another key.
    without_key: Mask,
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

fn view() -> impl Strategy<Value = View> {
    let start = prop_oneof![
        0_u64..100,
        (1_u64 << 32) - 50..1 << 32,
        (1_u64 << 35) - 50..1 << 35,
        (1_u64 << 40)..(1 << 40) + 50
    ];
    let rows = (
        start.clone(),
        prop_oneof![1_u64..10, 10_u64..200, 200_u64..3000],
        prop_oneof![0_u64..5, any::<u32>().prop_map(u64::from)],
    );
    // Longer than 32 bits reach, with an end within the case.
    let long =
        (start.clone(), prop_oneof![Just(31_u32), Just(32), Just(40), Just(58)], 0_u64..5, 0_u64..3, 0_u64..6000)
            .prop_map(|(start, power, more, gap, before)| {
                let length = (1 << power) + more;
                View::rows(start, length, length + gap).skip(length - before.min(length))
            });
    prop_oneof![
        2 => start.prop_map(View::contiguous),
        2 => rows.prop_map(|(start, length, gap)| View::rows(start, length, length + gap)),
        1 => long,
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let mask = (
        prop_oneof![Just(0.0), Just(0.5), Just(1.0), Just(1e-6), 0.0..1.0_f64],
        prop_oneof![Just(Generator::Threefry), Just(Generator::Philox)],
        any::<[u64; 2]>(),
        view(),
        0_u64..3000,
    )
        .prop_map(|(p, generator, [seed, stream], view, skipped)| {
            let dropout = Dropout::new(p).unwrap().with_generator(generator);
            let of = |key| dropout.mask(key).at(view).skip(skipped);
            [of(Key::new(seed).with_stream(stream)), of(Key::new(!seed))]
        });
    let decider = prop_oneof![
        2 => Just(Decider::Key),
        1 => (0_usize..100).prop_map(Decider::KeyInBuffer),
        1 => (0_usize..100).prop_map(Decider::PackedMask),
        1 => Just(Decider::PackedMaskInOutput),
    ];
    let place = prop_oneof![
        Just(Place::TwoBuffers),
        Just(Place::Same),
        (0_usize..6000, any::<bool>()).prop_map(|(apart, first)| Place::Apart(apart, first)),
    ];
    (
        0..contexts().len(),
        mask,
        decider,
        prop_oneof![Just(Dtype::F32), Just(Dtype::F16), Just(Dtype::Bf16)],
        prop_oneof![0_usize..70, 0_usize..6000],
        [0_usize..20, 0_usize..20],
        prop_oneof![Just(0), Just(8)],
        place,
        any::<u64>(),
    )
        .prop_map(|(context, [mask, without_key], decider, dtype, length, shifts, align, place, seed)| {
            // A good share of aligned ranges, which other kernels handle.
            let shifts = if align == 0 { shifts } else { shifts.map(|shift| shift / align * align) };
            Case { context, mask, without_key, decider, dtype, length, shifts, place, seed }
        })
}

/// Bytes that are finite numbers of moderate size in every type.
fn data(case: &Case, bytes: usize) -> Vec<u8> {
    let mut state = case.seed | 1;
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

fn expected(case: &Case, x: &[u8]) -> Vec<u8> {
    fn forward<T: wgpu_dropout::Element>(case: &Case, x: &[u8]) -> Vec<u8> {
        let x: Vec<T> = bytemuck::pod_collect_to_vec(x);
        let y = match case.decider {
            Decider::Key | Decider::KeyInBuffer(_) => reference::forward(&case.mask, &x),
            _ => reference::apply_mask(&packed(case), PACKED_SCALE, &x),
        };
        bytemuck::cast_slice(&y.unwrap()).to_vec()
    }
    match case.dtype {
        Dtype::F32 => forward::<f32>(case, x),
        Dtype::F16 => forward::<f16>(case, x),
        _ => forward::<bf16>(case, x),
    }
}

const PACKED_SCALE: f32 = -1.5;

/// A packed mask of the caller: its unused bits are anything.
fn packed(case: &Case) -> Vec<u32> {
    let mut words = reference::keep_mask(&case.mask, case.length as u64).unwrap();
    if let (Some(last), used @ 1..) = (words.last_mut(), case.length % 32) {
        *last |= 0xa5a5_a5a5 << used;
    }
    words
}

const GUARD: usize = 12;

fn words(bytes: &[u8]) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(bytes)
}

fn run(case: &Case) -> Result<(), TestCaseError> {
    let (name, context) = &contexts()[case.context];
    let element = case.dtype.size() as usize;
    let size = case.length * element;
    let x = data(case, size);
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
    match case.decider {
        Decider::Key => context.submit_forward(case.mask, from, to),
        Decider::KeyInBuffer(before) => {
            let words: Vec<u32> = bytemuck::pod_collect_to_vec(&case.mask.key().to_bytes());
            let keys = buffer(context, &after(before, &words));
            let key = context.bind_key(BufferRange::new(&keys, before as u64 * 4, 16)).unwrap();
            context.submit_forward(case.without_key.keyed_by(&key), from, to)
        }
        Decider::PackedMask(before) => {
            let words = packed(case);
            let masks = buffer(context, &after(before, &words));
            let mask = BufferRange::new(&masks, before as u64 * 4, words.len() as u64 * 4);
            context.submit_apply_mask(mask, PACKED_SCALE, from, to)
        }
        Decider::PackedMaskInOutput => {
            let mask = BufferRange::new(&output_buffer, packed_at as u64, packed(case).len() as u64 * 4);
            context.submit_apply_mask(mask, PACKED_SCALE, from, to)
        }
    }
    .unwrap();
    output[output_at..output_at + size].copy_from_slice(&expected(case, &x));
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
    let keep = reference::keep_mask(&case.mask, case.length as u64).unwrap();
    let bits = buffer(context, &vec![0xdead_beef; keep.len() + 2]);
    context
        .submit_keep_mask(
            case.mask,
            BufferRange::new(&bits, 4, keep.len() as u64 * 4),
            case.length as u64,
            MaskFormat::Bits,
        )
        .unwrap();
    let mut bytes = poisoned(round(case.shifts[0] + case.length));
    let byte_buffer = buffer(context, &words(&bytes));
    let byte_range = BufferRange::new(&byte_buffer, case.shifts[0] as u64, case.length as u64);
    context.submit_keep_mask(case.mask, byte_range, case.length as u64, MaskFormat::Bytes).unwrap();
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
