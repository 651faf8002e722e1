//! Keys and rates in buffers of the device: what was recorded follows a schedule of p, with the bits that p from the host
//! gives.
use half::{bf16, f16};
use wgpu_dropout::{
    BufferRange, Context, Dropout, Element, Generator, Key, Kind, Mask, MaskFormat, Operation, Options, Ranges,
    RowList, Slices, View, kernels::Schedule, reference,
};

use crate::adapters::{assert_words, buffer, context_with, read, subjects};

const KEY: Key = Key::new(0x0123_4567_89ab_cdef).with_layer(7).with_sample(9).with_step(u32::MAX - 1);
/// Nothing, hardly anything, a high half of the threshold that is 0, and everything.
const RATES: [f64; 8] = [0.0, 1e-300, 1e-5, 0.1, 0.5, 0.75, 1.0 - 1e-6, 1.0];
const BYTES: usize = Mask::KEY_AND_RATE_BYTES as usize;
/// Several tiles of every kernel, and something left over.
const N: usize = 5003;

/// Every schedule on every adapter, with and without immediates by turns.
fn contexts() -> Vec<(String, Context)> {
    let mut contexts = vec![];
    for subject in subjects() {
        for &schedule in Schedule::ALL {
            let immediates = contexts.len() % 2 == 0;
            let context = context_with(subject, Options::default().with_schedule(schedule).with_immediates(immediates));
            contexts.push((format!("{}, {schedule:?}, immediates: {immediates}", subject.name), context));
        }
    }
    contexts
}

fn words_of(bytes: &[u8]) -> Vec<u32> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytemuck::pod_collect_to_vec(&bytes)
}

fn rates(kind: Kind) -> &'static [f64] {
    if kind == Kind::Gaussian { &RATES[..7] } else { &RATES }
}

/// Contiguous from several places in a group, rows, a mask that is shared inside and one that is outside, and neither.
fn views() -> Vec<View> {
    vec![
        View::contiguous(0),
        View::contiguous(5),
        View::contiguous((1 << 35) - 1001),
        View::rows(11, 1000, 1024),
        View::shared(3, &[716, 7], &[1]).unwrap().skip(9),
        View::shared(3, &[2, N as u64], &[0]).unwrap().skip(N as u64),
        View::strided(9, &[20, 300], &[1000, 3]).unwrap().skip(997),
    ]
}

fn operation(number: usize, mask: Mask) -> Operation {
    match number {
        0 => Operation::Forward(mask),
        1 => Operation::Backward(mask),
        _ => Operation::Select(mask),
    }
}

/// One encoder, which copies one key and rate after another to where they were bound.
fn follow<T: Element>(context: &Context, kind: Kind, number: usize, view: View, generator: Generator, name: &str) {
    let size = size_of::<T>();
    // Any bits, NaN and subnormals among them, for what moves bits; and ordinary numbers.
    let any: Vec<u32> = (0..N as u32).map(|i| i.wrapping_mul(0x9e37_79b1) ^ (i % 3 * 0x7f80_7f80)).collect();
    let ordinary: Vec<u32> = any.iter().map(|word| word & 0x3fff_3fff | 0x2000_2000).collect();
    let elements = |words: &[u32]| -> Vec<T> { bytemuck::cast_slice(words)[..N].to_vec() };
    let other = elements(&ordinary.iter().rev().copied().collect::<Vec<_>>());
    let ends = |p: f64| p == 0.0 || p == 1.0;
    let moves = kind == Kind::Standard || number == 2;
    let inputs = [elements(&ordinary), elements(&any)];
    let input_buffers = inputs.each_ref().map(|x| buffer(context, &words_of(bytemuck::cast_slice(x))));
    let other_buffer = buffer(context, &words_of(bytemuck::cast_slice(&other)));

    let rates = rates(kind);
    let mask = |p, key| Dropout::of_kind(kind, p).unwrap().with_generator(generator).mask(key).at(view);
    let at = |step: usize| KEY.with_step(u32::MAX.wrapping_add(step as u32));
    let schedule: Vec<u8> = rates.iter().enumerate().flat_map(|(step, &p)| mask(p, at(step)).key_and_rate()).collect();
    let schedule = buffer(context, &words_of(&schedule));
    // After other words, at no multiple of what bindings must begin at.
    let current = buffer(context, &[0xdead_beef; 70 + 12 + 3]);
    let key = context.bind_key_and_rate(BufferRange::new(&current, 280, BYTES as u64)).unwrap();
    let bytes = N * size;
    let stride = bytes.next_multiple_of(4);
    let output = buffer(context, &vec![0xdead_beef; stride / 4]);
    let all = buffer(context, &vec![0; stride / 4 * rates.len()]);
    let range = |buffer| BufferRange::new(buffer, 0, bytes as u64).with_dtype(T::DTYPE);
    let bound = input_buffers.each_ref().map(|input| {
        let ranges = Ranges::new(range(input), range(&output));
        context.bind(if number == 2 { ranges.with_other(range(&other_buffer)) } else { ranges }).unwrap()
    });
    let mut encoder = context.device().create_command_encoder(&Default::default());
    // Its own p is not looked at, and would copy, or drop everything.
    let recorded = mask(if kind == Kind::Gaussian || number == 1 { 0.0 } else { 1.0 }, Key::new(1));
    for (step, &p) in rates.iter().enumerate() {
        encoder.copy_buffer_to_buffer(&schedule, (step * BYTES) as u64, &current, 280, BYTES as u64);
        let bound = &bound[usize::from(moves || ends(p))];
        bound.record(&mut encoder, operation(number, recorded).keyed_by(&key)).unwrap();
        encoder.copy_buffer_to_buffer(&output, 0, &all, (step * stride) as u64, stride as u64);
    }
    context.queue().submit([encoder.finish()]);
    let [actual] = read(context, [&all]);
    for (step, &p) in rates.iter().enumerate() {
        let x = &inputs[usize::from(moves || ends(p))];
        let slices = if number == 2 { Slices::new(x).with_other(&other) } else { Slices::new(x) };
        let expected = reference::run(operation(number, mask(p, at(step))), slices).unwrap();
        let (expected, actual) = (bytemuck::cast_slice::<T, u8>(&expected), bytemuck::cast_slice::<u32, u8>(&actual));
        let actual = &actual[step * stride..][..bytes];
        assert_words(&words_of(actual), &words_of(expected), || {
            format!("{name} {} {:?}", T::DTYPE, operation(number, mask(p, at(step))))
        });
    }
}

/// Every kind, both directions and selections, with types, views and generators in turn.
#[test]
fn one_encoder_follows_a_schedule() {
    let mut turn = 0;
    for (name, context) in contexts() {
        for &kind in Kind::ALL {
            for number in 0..3 {
                if kind == Kind::Gaussian && number == 2 {
                    continue;
                }
                let view = views()[turn % views().len()];
                let generator = Generator::ALL[turn / 3 % Generator::ALL.len()];
                match turn % 3 {
                    0 => follow::<f32>(&context, kind, number, view, generator, &name),
                    1 => follow::<f16>(&context, kind, number, view, generator, &name),
                    _ => follow::<bf16>(&context, kind, number, view, generator, &name),
                }
                turn += 1;
            }
        }
    }
}

/// p may be decided when all is recorded; the key advances and the rate stays; in place.
#[test]
fn the_rate_is_that_of_the_time_when_commands_run() {
    for (name, context) in contexts() {
        for p in [0.25, 1.0, 0.0] {
            let current = buffer(&context, &[0; 12]);
            let key = context.bind_key_and_rate(&current).unwrap();
            let x: Vec<f32> = (0..N).map(|i| i as f32 - 1000.0).collect();
            let data = buffer(&context, bytemuck::cast_slice(&x));
            let mask = |p: f64, key| Dropout::new(p).unwrap().mask(key).at(3);
            let mut encoder = context.device().create_command_encoder(&Default::default());
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                context.record_forward(&mut pass, mask(0.5, Key::new(1)).keyed_by(&key), &data, &data).unwrap();
                key.record_advance(&mut pass, 3).unwrap();
                context.record_backward(&mut pass, mask(0.5, Key::new(1)).keyed_by(&key), &data, &data).unwrap();
            }
            context.queue().write_buffer(&current, 0, &mask(p, KEY).key_and_rate());
            context.queue().submit([encoder.finish()]);
            let once = reference::forward(&mask(p, KEY), &x).unwrap();
            let twice = reference::backward(&mask(p, KEY.with_step(1)), &once).unwrap();
            let [data, current] = read(&context, [&data, &current]);
            assert_words(&data, bytemuck::cast_slice(&twice), || format!("{name} p = {p}"));
            assert_eq!(current, words_of(&mask(p, KEY.with_step(1)).key_and_rate()), "{name}");
        }
    }
}

/// Several in one buffer; masks as bits and bytes, and lists of kept rows.
#[test]
fn masks_and_rows_take_the_rate_of_a_buffer() {
    for (number, (name, context)) in contexts().into_iter().enumerate() {
        let generator = Generator::ALL[number % Generator::ALL.len()];
        let view = [View::contiguous(3), View::rows(11, 1000, 1024)][number % 2];
        let mask = |p: f64, key| Dropout::new(p).unwrap().with_generator(generator).mask(key).at(view);
        let all: Vec<u8> = RATES.iter().flat_map(|&p| mask(p, KEY).key_and_rate()).collect();
        let all = buffer(&context, &words_of(&all));
        for (at, &p) in RATES.iter().enumerate() {
            let key = context.bind_key_and_rate(BufferRange::new(&all, (at * BYTES) as u64, BYTES as u64)).unwrap();
            let recorded = mask(if p == 0.0 { 1.0 } else { 0.0 }, Key::new(1));
            let [bits, bytes] = [MaskFormat::Bits, MaskFormat::Bytes].map(|format| {
                let words = format.size(N as u64).div_ceil(4) as usize;
                let output = buffer(&context, &vec![0; words]);
                let range = BufferRange::new(&output, 0, format.size(N as u64));
                context.submit_keep_mask(recorded.keyed_by(&key), range, N as u64, format).unwrap();
                output
            });
            let (list, arguments) = (buffer(&context, &vec![u32::MAX; N]), buffer(&context, &[0; 4]));
            let rows = RowList::new(N as u32, &list, &arguments);
            context.submit_kept_rows(recorded.keyed_by(&key), rows).unwrap();
            let [bits, bytes, mut list, arguments] = read(&context, [&bits, &bytes, &list, &arguments]);
            let keep = reference::keep_mask(&mask(p, KEY), N as u64).unwrap();
            assert_words(&bits, &keep, || format!("{name} p = {p}"));
            let expected: Vec<u8> = (0..N).map(|i| (keep[i / 32] >> (i % 32)) as u8 & 1).collect();
            assert_words(&bytes, &words_of(&expected), || format!("{name} p = {p} as bytes"));
            let expected = reference::kept_rows(&mask(p, KEY), N as u64).unwrap();
            list.truncate(arguments[3] as usize);
            assert_words(&list, &expected, || format!("{name} p = {p} rows"));
        }
    }
}

/// In evaluation the buffer is not looked at.
#[test]
fn evaluation_copies() {
    for subject in subjects() {
        let context = &subject.context;
        let current = buffer(context, &words_of(&Dropout::new(1.0).unwrap().mask(KEY).key_and_rate()));
        let key = context.bind_key_and_rate(&current).unwrap();
        for kind in [Kind::Inverted, Kind::Alpha, Kind::Gaussian] {
            let mask = Dropout::of_kind(kind, 0.5).unwrap().with_training(false).mask(Key::new(1));
            let (input, output) = (buffer(context, &[0x7fc1_2345, 1, 7]), buffer(context, &[9; 3]));
            context.submit_forward(mask.keyed_by(&key), &input, &output).unwrap();
            assert_eq!(read::<1>(context, [&output])[0], [0x7fc1_2345, 1, 7], "{} {kind}", subject.name);
        }
    }
}

/// Kernels that forget that p may be 0 are seen.
#[test]
fn faults_are_seen() {
    let is_seen = |text: &'static str, other: &'static str, schedule, p: f64, kind| {
        let subject = &subjects()[0];
        let context = context_with(subject, Options::default().with_schedule(schedule).with_replaced_text(text, other));
        let mask = |p, key| Dropout::of_kind(kind, p).unwrap().mask(key);
        let current = buffer(&context, &words_of(&mask(p, KEY).key_and_rate()));
        let key = context.bind_key_and_rate(&current).unwrap();
        let words: Vec<u32> = (0..N as u32).map(|i| i.wrapping_mul(0x9e37_79b1) | 0x7f80_0001).collect();
        let (input, output) = (buffer(&context, &words), buffer(&context, &vec![7; N]));
        context.submit_forward(mask(0.5, Key::new(1)).keyed_by(&key), &input, &output).unwrap();
        let expected = reference::forward(&mask(p, KEY), bytemuck::cast_slice::<u32, f32>(&words)).unwrap();
        read(&context, [&output])[0] != bytemuck::cast_slice::<f32, u32>(&expected)
    };
    let cutoff = ("0x10000u, keeps_all(rule)", "0x10000u, false");
    assert!(is_seen(cutoff.0, cutoff.1, Schedule::Groups, 0.0, Kind::Standard));
    for &schedule in Schedule::ALL {
        assert!(is_seen("return keeps_all(keyed_rule());", "return false;", schedule, 0.0, Kind::Inverted));
        assert!(!is_seen(
            "return keeps_all(keyed_rule());",
            "return  keeps_all(keyed_rule());",
            schedule,
            0.0,
            Kind::Inverted
        ));
    }
}
