//! Softmax and dropout against binary64 on every adapter: outputs poisoned first, and nothing written outside of the ranges.
use half::{bf16, f16};
use wgpu_dropout::{
    BufferRange, Context, Dropout, Dtype, Element, Error, Generator, Key, Kind, Mask, Options, SoftmaxDropout, View,
    kernels::Schedule, reference,
};

use crate::adapters::{assert_words, buffer, context_with, device, read, subjects};

const POISON: f32 = -77.0;

fn mask(p: f64, start: impl Into<View>, generator: Generator) -> Mask {
    Dropout::new(p).unwrap().with_generator(generator).mask(Key::new(17).with_layer(2)).at(start)
}

/// Elements as attention has them, some rows of which are far apart, and some far from 0.
fn elements<T: Element>(count: u64, salt: u32) -> Vec<T> {
    let of = |i: u64| {
        let random = (i as u32).wrapping_add(salt).wrapping_mul(0x9e37_79b1) >> 8;
        let unit = random as f32 / (1 << 24) as f32 - 0.5;
        let row = i / 1000 % 3;
        unit * [8.0, 40.0, 3.0][row as usize] + [0.0, 0.0, 60.0][row as usize]
    };
    (0..count).map(|i| T::narrow(of(i))).collect()
}

fn words<T: Element>(values: &[T]) -> Vec<u32> {
    let mut bytes = bytemuck::cast_slice::<T, u8>(values).to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0x5a);
    bytemuck::pod_collect_to_vec(&bytes)
}

/// What rounding to the type may add to a relative error.
fn half_an_ulp(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F16 => 1.0 / 2048.0,
        Dtype::Bf16 => 1.0 / 256.0,
        _ => 0.0,
    }
}

/// Whether results are those of the reference within the bounds, and dropped ones exactly.
fn assert_near<T: Element>(actual: &[T], expected: &[T], bounds: impl Fn(usize) -> [f64; 2], what: &str) {
    assert_eq!(actual.len(), expected.len());
    let rounding = half_an_ulp(T::DTYPE);
    for (j, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let (actual, expected) = (f64::from(actual.widen()), f64::from(expected.widen()));
        let [relative, absolute] = bounds(j);
        // An f16 may be subnormal.
        let tiny = if T::DTYPE == Dtype::F16 { 1e-7 } else { 0.0 };
        let bound = relative + rounding * 2.0 * expected.abs() + absolute + tiny;
        let fits = if expected == 0.0 { actual.abs() <= absolute + tiny } else { (actual - expected).abs() <= bound };
        assert!(
            fits || actual.is_nan() && expected.is_nan(),
            "{what}: index {j}: expected {expected:e}, actual {actual:e}"
        );
    }
}

/// Forward and backward, out of place and in place, in one submission, from odd places of their buffers.
fn check<T: Element>(context: &Context, softmax: SoftmaxDropout, matrices: u64, shifts: [usize; 3], name: &str) {
    let count = matrices * softmax.queries() * softmax.keys();
    let (x, dy): (Vec<T>, Vec<T>) = (elements(count, 0), elements(count, 77));
    let each = T::DTYPE.size();
    let poison = |count: usize| [T::narrow(POISON)].repeat(count);
    let place = |before: usize, values: &[T]| words(&[&poison(before), values, &poison(9)].concat());
    let range =
        |buffer, before: usize| BufferRange::new(buffer, before as u64 * each, count * each).with_dtype(T::DTYPE);
    let at = |before: usize, values: &[T]| buffer(context, &place(before, values));
    let (input, gradient) = (at(shifts[0], &x), at(shifts[1], &dy));
    let outputs = [0, 1].map(|_| at(shifts[2], &poison(x.len())));
    let in_place = [at(shifts[2], &x), at(shifts[0], &x), at(shifts[1], &dy)];

    let mut encoder = context.device().create_command_encoder(&Default::default());
    let [of_input, of_gradient] = [range(&input, shifts[0]), range(&gradient, shifts[1])];
    for pass in [
        softmax.forward(of_input, range(&outputs[0], shifts[2])),
        softmax.forward(range(&in_place[0], shifts[2]), range(&in_place[0], shifts[2])),
        softmax.backward(of_input, of_gradient, range(&outputs[1], shifts[2])),
        softmax.backward(range(&in_place[1], shifts[0]), of_gradient, range(&in_place[1], shifts[0])),
        softmax.backward(of_input, range(&in_place[2], shifts[1]), range(&in_place[2], shifts[1])),
    ] {
        context.record_pass(&mut encoder, pass).unwrap();
    }
    context.queue().submit([encoder.finish()]);

    let mut y = poison(x.len());
    reference::run_pass(softmax.forward(&x, &mut y)).unwrap();
    let mut dx = poison(x.len());
    reference::run_pass(softmax.backward(&x, &dy, &mut dx)).unwrap();
    let all = read(context, [&outputs[0], &in_place[0], &outputs[1], &in_place[1], &in_place[2]]);
    let befores = [shifts[2], shifts[2], shifts[2], shifts[0], shifts[1]];
    for (number, (all, before)) in all.iter().zip(befores).enumerate() {
        let all: &[T] = bytemuck::cast_slice(all);
        let actual = &all[before..][..x.len()];
        let outside = [&all[..before], &all[before + x.len()..][..9]].concat();
        let what = format!("{name} {} {softmax:?} × {matrices} {shifts:?} number {number}", T::DTYPE);
        assert!(outside.iter().all(|x| x.widen() == POISON), "{what}: written outside of the range");
        let scale = f64::from(softmax.mask().scale());
        if number < 2 {
            assert_near(actual, &y, |j| [2e-6 * f64::from(y[j].widen()), 1e-7 * scale], &what);
            // What is dropped is +0, and so is what is not seen.
            for (actual, expected) in actual.iter().zip(&y).filter(|(_, expected)| expected.widen() == 0.0) {
                assert!(actual.widen() == 0.0 || expected.widen() == 0.0, "{what}");
            }
        } else {
            // The gradients that are added are at most 30, and more where they are scaled.
            let most = 40.0 * scale * f64::from(softmax.factor().abs());
            assert_near(actual, &dx, |j| [4e-6 * f64::from(dx[j].widen()).abs(), 4e-6 * most], &what);
        }
    }
}

/// Every schedule on every adapter.
fn contexts() -> Vec<(String, Context)> {
    let mut contexts = vec![];
    for subject in subjects() {
        for &schedule in Schedule::ALL {
            let context = context_with(subject, Options::default().with_schedule(schedule));
            contexts.push((format!("{}, {schedule:?}", subject.name), context));
        }
    }
    contexts
}

/// Row lengths around runs, words and tiles, with everything else in turn.
#[test]
fn shapes() {
    let shapes = [
        (1, 1, 1),
        (3, 1, 1),
        (2, 3, 2),
        (1, 5, 7),
        (2, 9, 8),
        (3, 5, 31),
        (1, 2, 32),
        (2, 7, 33),
        (1, 40, 64),
        (2, 3, 100),
        (1, 9, 255),
        (3, 2, 256),
        (1, 600, 40),
        (1, 3, 1000),
        (2, 2, 1024),
        (1, 2, 2049),
        (1, 1, 8192),
        (1, 2, 5003),
    ];
    for (number, (name, context)) in contexts().into_iter().enumerate() {
        // A kernel takes its time to be compiled: each schedule has a third of the shapes, on other adapters than the first a
        // sixth.
        let every = if number < Schedule::ALL.len() { 3 } else { 6 };
        for (turn, (matrices, queries, keys)) in (number..).zip(shapes).skip(number % every).step_by(every) {
            let generator = Generator::ALL[turn % Generator::ALL.len()];
            let start = [0, 32, 5, (1 << 35) - 101][turn / 2 % 4];
            let p = [0.5, 0.1, 0.0, 0.9, 1.0][turn % 5];
            let softmax = SoftmaxDropout::new(mask(p, start, generator), queries, keys).unwrap();
            let softmax = softmax.with_factor([1.0, 0.125, -0.3, 0.0][turn % 4]).with_causal(turn % 3 == 1);
            let shifts = [[0, 0, 0], [1, 0, 3], [8, 16, 8], [0, 3, 1], [4, 4, 4]][turn % 5];
            match turn / 3 % 3 {
                0 => check::<f32>(&context, softmax, matrices, shifts, &name),
                1 => check::<f16>(&context, softmax, matrices, shifts, &name),
                _ => check::<bf16>(&context, softmax, matrices, shifts, &name),
            }
        }
    }
}

/// Masks that are parts of a larger one, shared, or both.
#[test]
fn views() {
    for (number, (name, context)) in contexts().into_iter().enumerate() {
        let every = if number < Schedule::ALL.len() { 1 } else { 3 };
        for (turn, view) in (number..)
            .zip([
                View::rows(3, 24 * 40, 1000),
                View::rows(64, 40, 64),
                View::shared(7, &[3, 24, 40], &[0]).unwrap(),
                View::shared(7, &[3, 24, 40], &[2]).unwrap(),
                View::strided(0, &[3, 24, 40], &[24 * 96, 96, 1]).unwrap(),
            ])
            .skip(number % every)
            .step_by(every)
        {
            let mask = mask(0.4, view, Generator::ALL[turn % Generator::ALL.len()]);
            let softmax = SoftmaxDropout::new(mask, 24, 40).unwrap().with_causal(turn % 2 == 0);
            if turn % 2 == 0 {
                check::<f32>(&context, softmax, 3, [0, 0, 0], &name);
            } else {
                check::<f16>(&context, softmax, 3, [1, 0, 1], &name);
            }
        }
    }
}

/// Rows as long as they may be, of numbers that make sums go wrong: all the same, ascending, and a few large ones.
#[test]
fn long_rows() {
    const KEYS: u64 = 65_536;
    let rows: [fn(u64) -> f32; 4] = [
        |_| 0.1,
        |i| i as f32 * (80.0 / KEYS as f32),
        |i| -(i as f32) * 1e-4 + 1000.0,
        |i| if i % 9973 == 5 { 30.0 } else { (i % 7) as f32 * 0.123 },
    ];
    for (name, context) in contexts() {
        let x: Vec<f32> = rows.iter().flat_map(|row| (0..KEYS).map(row)).collect();
        let softmax = SoftmaxDropout::new(mask(0.1, 0, Generator::default()), 4, KEYS).unwrap();
        let (mut y, mut expected) = (vec![POISON; x.len()], vec![0.0; x.len()]);
        context.run_pass_blocking(softmax.forward(&x, &mut y)).unwrap();
        reference::run_pass(softmax.forward(&x, &mut expected)).unwrap();
        // Closer than the bound that is promised, which forgives what is below 0.05.
        assert_near(&y, &expected, |j| [4e-6 * f64::from(expected[j]), 1e-10], &name);
    }
}

/// Infinities and NaN: rows that see nothing, large negative numbers, and what is not seen does not matter.
#[test]
fn rows_of_extremes() {
    let (infinity, nan) = (f32::INFINITY, f32::NAN);
    let rows: [[f32; 8]; 8] = [
        [-infinity; 8],
        [f32::MIN; 8],
        [0.0, -100.0, -200.0, -1e4, -1e30, f32::MIN, -infinity, 1.0],
        [f32::MAX, 0.0, f32::MAX, f32::MIN, 1.0, 2.0, 3.0, 4.0],
        [1e-40, -1e-40, 0.0, -0.0, 1e-30, -1e-30, 0.0, 0.0],
        [3.0, 3.0, 3.0, -infinity, -infinity, -infinity, -infinity, -infinity],
        [1.0, 2.0, 3.0, nan, 4.0, 5.0, 6.0, 7.0],
        [1.0, 2.0, 3.0, infinity, 4.0, 5.0, 6.0, 7.0],
    ];
    for (name, context) in contexts() {
        for p in [0.0, 0.5] {
            let softmax = SoftmaxDropout::new(mask(p, 3, Generator::default()), 8, 8).unwrap();
            let x = rows.as_flattened();
            let (mut y, mut expected) = (vec![POISON; 64], vec![0.0; 64]);
            context.run_pass_blocking(softmax.forward(x, &mut y)).unwrap();
            reference::run_pass(softmax.forward(x, &mut expected)).unwrap();
            assert_near(&y, &expected, |_| [2e-7, 2e-7], &format!("{name} p = {p}"));
            assert!(y[..8].iter().all(|y| y.to_bits() == 0), "{name}: {:?}", &y[..8]);
            // Unseen by all but the last query.
            let causal = softmax.with_causal(true);
            let mut x = vec![1.0; 64];
            (0..7).for_each(|query| x[query * 8 + 7] = nan);
            let dy = x.clone();
            let (mut y, mut dx) = (vec![POISON; 64], vec![POISON; 64]);
            context.run_pass_blocking(causal.forward(&x, &mut y)).unwrap();
            context.run_pass_blocking(causal.backward(&x, &dy, &mut dx)).unwrap();
            assert!(y.iter().chain(&dx).all(|y| y.is_finite()), "{name}: {y:?} {dx:?}");
            // Queries that see no key.
            let few = SoftmaxDropout::new(mask(p, 3, Generator::default()), 8, 2).unwrap().with_causal(true);
            let (mut y, mut dx) = (vec![POISON; 16], vec![POISON; 16]);
            context.run_pass_blocking(few.forward(&x[..16], &mut y)).unwrap();
            context.run_pass_blocking(few.backward(&x[..16], &dy[..16], &mut dx)).unwrap();
            assert!(y[..12].iter().chain(&dx[..12]).all(|y| *y == 0.0), "{name}: {y:?} {dx:?}");
        }
    }
}

/// NaN in the gradient of what is dropped does not leak.
#[test]
fn dropped_gradients_do_not_leak() {
    for (name, context) in contexts() {
        let softmax = SoftmaxDropout::new(mask(0.5, 1, Generator::default()), 10, 50).unwrap();
        let x: Vec<f32> = elements(500, 3);
        let dropped = |j: u64| !reference::keeps(softmax.mask(), j);
        let dy: Vec<f32> = (0..500).map(|j| if dropped(j) { f32::NAN } else { 1.0 }).collect();
        let mut dx = vec![POISON; 500];
        context.run_pass_blocking(softmax.backward(&x, &dy, &mut dx)).unwrap();
        assert!(dx.iter().all(|dx| dx.is_finite()), "{name}");
    }
}

/// A device of small bindings and few workgroups: several chunks, and parts of a grid.
#[test]
fn more_than_a_binding() {
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 4096;
            descriptor.required_limits.max_compute_workgroups_per_dimension = 2;
        });
        let context = Context::from_device(device, queue).unwrap();
        for (number, (queries, keys)) in [(300, 3), (40, 64), (10, 301)].into_iter().enumerate() {
            let softmax = SoftmaxDropout::new(mask(0.3, 5, Generator::default()), queries, keys).unwrap();
            let softmax = softmax.with_causal(number == 1);
            check::<f32>(&context, softmax, 3, [0, 0, 0], &subject.name);
            check::<f16>(&context, softmax, 3, [1, 0, 1], &subject.name);
        }
        let softmax = SoftmaxDropout::new(mask(0.3, 5, Generator::default()), 1, 2000).unwrap();
        let error = context.run_pass_blocking(softmax.forward(&[0.0_f32; 2000][..], &mut [0.0; 2000][..])).unwrap_err();
        assert!(matches!(error, Error::TooLarge { bytes: 8000, .. }), "{error}");
    }
}

/// A key in a buffer, and shards of the whole.
#[test]
fn keys_in_buffers_and_shards() {
    for subject in subjects() {
        let context = &subject.context;
        let key = Key::new(99).with_layer(7).with_step(4);
        let softmax = SoftmaxDropout::new(mask(0.3, 0, Generator::default()).with_key(key), 6, 50).unwrap();
        let x: Vec<f32> = elements(4 * 300, 5);
        let mut whole = vec![POISON; x.len()];
        context.run_pass_blocking(softmax.forward(&x, &mut whole)).unwrap();
        let mut second = vec![POISON; 600];
        let part = SoftmaxDropout::new(softmax.mask().at(600), 6, 50).unwrap();
        context.run_pass_blocking(part.forward(&x[600..], &mut second)).unwrap();
        assert_words(bytemuck::cast_slice(&second), bytemuck::cast_slice(&whole[600..]), || subject.name.clone());

        let key_buffer = buffer(context, &bytemuck::pod_collect_to_vec::<u8, u32>(&key.to_bytes()));
        let bound = context.bind_key(&key_buffer).unwrap();
        let data = buffer(context, bytemuck::cast_slice(&x));
        let other = SoftmaxDropout::new(softmax.mask().with_key(Key::new(1)), 6, 50).unwrap();
        context.submit_pass(other.forward(&data, &data).keyed_by(&bound)).unwrap();
        assert_words(&read(context, [&data])[0], bytemuck::cast_slice(&whole), || subject.name.clone());
    }
}

#[test]
fn errors_name_the_value() {
    let mask = mask(0.3, 0, Generator::default());
    let says = |error: Error, words: &[&str]| {
        let message = error.to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    says(SoftmaxDropout::new(mask, 0, 5).unwrap_err(), &["queries", "0", "1 to"]);
    says(SoftmaxDropout::new(mask, 5, 1 << 31).unwrap_err(), &["keys", "2147483648"]);
    let alpha = Dropout::of_kind(Kind::Alpha, 0.5).unwrap().mask(Key::new(1));
    says(SoftmaxDropout::new(alpha, 5, 5).unwrap_err(), &["alpha", "Dropout::new"]);
    let softmax = SoftmaxDropout::new(mask, 5, 5).unwrap();
    let context = &subjects()[0].context;
    let mut y = [0.0_f32; 60];
    let mut run = |softmax: SoftmaxDropout, count: usize| {
        let x = vec![0.0_f32; count];
        let error = reference::run_pass(softmax.forward(&x[..], &mut y[..count])).unwrap_err().to_string();
        let of_device = context.run_pass_blocking(softmax.forward(&x[..], &mut y[..count])).unwrap_err();
        assert_eq!(of_device.to_string(), error);
        of_device
    };
    says(run(softmax, 30), &["input", "120", "queries × keys"]);
    says(run(softmax.with_factor(f32::NAN), 25), &["factor", "NaN", "finite"]);
    let gathered = mask.shared(&[5, 5], &[1]).unwrap().gathered().unwrap();
    says(run(SoftmaxDropout::new(gathered, 5, 5).unwrap(), 25), &["row ids"]);
    let last = SoftmaxDropout::new(mask.at(u64::MAX - 3), 5, 5).unwrap();
    says(run(last, 25), &["25 elements", "start"]);
    let (x, mut dx) = ([0.0_f32; 25], [0.0; 25]);
    let error = context.run_pass_blocking(softmax.backward(&x[..], &x[..20], &mut dx[..])).unwrap_err();
    says(error, &["gradient", "80"]);
}

/// p from a buffer gives the bits that p from the host gives, whatever p the recorded mask has; in evaluation it is not looked at.
#[test]
fn the_rate_may_lie_in_a_buffer() {
    for subject in subjects() {
        // By groups, by words from inside of a group, and where the output has no units of 16 bytes.
        let shapes = [([5, 64], 0), ([3, 200], 5), ([4, 7], 3)];
        for (schedule, ([queries, keys], start)) in
            [Schedule::Groups, Schedule::Interleaved, Schedule::Blocked].into_iter().zip(shapes)
        {
            let context = &context_with(subject, Options::default().with_schedule(schedule));
            let count = 2 * queries * keys;
            let (x, dy): (Vec<f32>, Vec<f32>) = (elements(count, 0), elements(count, 77));
            let (input, gradient) = (buffer(context, &words(&x)), buffer(context, &words(&dy)));
            let run = |mask: Mask, rate: Option<&Mask>| {
                let outputs = [0, 1].map(|_| buffer(context, &vec![POISON.to_bits(); x.len()]));
                let key = rate.map(|rate| {
                    let bytes: Vec<u32> = bytemuck::pod_collect_to_vec(&rate.key_and_rate());
                    context.bind_key_and_rate(&buffer(context, &bytes)).unwrap()
                });
                let softmax = SoftmaxDropout::new(mask, queries, keys).unwrap().with_factor(0.5);
                let forward = softmax.forward::<BufferRange<'_>>(&input, &outputs[0]);
                for pass in [forward, softmax.backward(&input, &gradient, &outputs[1])] {
                    let mut encoder = context.device().create_command_encoder(&Default::default());
                    match &key {
                        Some(key) => context.record_pass(&mut encoder, pass.keyed_by(key)).unwrap(),
                        None => context.record_pass(&mut encoder, pass).unwrap(),
                    }
                    context.queue().submit([encoder.finish()]);
                }
                read(context, [&outputs[0], &outputs[1]])
            };
            for p in [0.0, 1e-5, 0.1, 0.5, 1.0] {
                let of_host = mask(p, start, Generator::Threefry);
                let recorded = mask(if p == 0.0 { 1.0 } else { 0.0 }, start, Generator::Threefry).with_key(Key::new(1));
                let (expected, actual) = (run(of_host, None), run(recorded, Some(&of_host)));
                for (expected, actual) in expected.iter().zip(&actual) {
                    assert_words(actual, expected, || format!("{} {schedule:?} {keys} p = {p}", subject.name));
                }
            }
            let evaluation = Dropout::new(0.5).unwrap().with_training(false).mask(Key::new(1));
            let everything = mask(1.0, start, Generator::Threefry);
            assert_eq!(run(evaluation, Some(&everything)), run(mask(0.0, 0, Generator::Threefry), None));
        }
    }
}
