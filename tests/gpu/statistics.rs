//! Monte Carlo samples and statistics over them, beside binary64 with the bounds that the documentation gives.

use half::{bf16, f16};
use wgpu_dropout::{
    BufferRange, Context, Dropout, Dtype, Element, Error, Generator, Key, Kind, Pass, Samples, Slice, Statistics,
    Uncertainty, View, reference,
};

use crate::adapters::{bits, buffer, device, read, subjects};

/// Numbers that look like standard normals, as a sum of uniforms.
fn normals(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
    };
    (0..count).map(|_| (0..12).map(|_| uniform()).sum()).collect()
}

fn narrow<T: Element>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::narrow(x as f32)).collect()
}

/// Mean and variance of each element of some samples.
fn moments<T: Element>(samples: &[T], elements: usize) -> (Vec<f64>, Vec<f64>) {
    let of = |i: usize| -> Vec<f64> { samples[i..].iter().step_by(elements).map(|x| f64::from(x.widen())).collect() };
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let means: Vec<_> = (0..elements).map(|i| mean(&of(i))).collect();
    let variances = (0..elements).map(|i| mean(&of(i).iter().map(|x| (x - means[i]).powi(2)).collect::<Vec<_>>()));
    (means.clone(), variances.collect())
}

/// The bounds of `Statistics`, for so many passes.
fn check_moments<T: Element>(samples: &[T], mean: &[f32], variance: &[f32], passes: usize, what: &str) {
    let (means, variances) = moments(samples, mean.len());
    for i in 0..mean.len() {
        let (sigma, size) = (variances[i].sqrt(), means[i].abs());
        let of_sigma = if samples.len() <= 1000 * mean.len() { 1e-6 } else { 1e-5 };
        let most = of_sigma * sigma + passes as f64 * size * 0.5_f64.powi(24) + 1e-37;
        let off = (f64::from(mean[i]) - means[i]).abs();
        assert!(off <= most, "{what}: mean {i} is {} and not {}: {off:e} > {most:e}", mean[i], means[i]);
        let most = 1e-5 * sigma * sigma + (passes - 1) as f64 * size * sigma * 0.5_f64.powi(22) + 1e-37;
        let off = (f64::from(variance[i]) - variances[i]).abs();
        assert!(off <= most, "{what}: variance {i} is {} and not {}: {off:e} > {most:e}", variance[i], variances[i]);
    }
}

/// On a context, or where there is none on the CPU.
fn run(context: Option<&Context>, pass: Pass<Slice<'_>>) {
    match context {
        Some(context) => context.run_pass_blocking(pass),
        None => reference::run_pass(pass),
    }
    .unwrap();
}

fn contexts() -> impl Iterator<Item = (&'static str, Option<&'static Context>)> {
    let on_devices = subjects().iter().map(|subject| (&subject.name[..], Some(&subject.context)));
    [("the CPU", None)].into_iter().chain(on_devices)
}

fn mean_and_variance<T: Element>(
    context: Option<&Context>,
    samples: &[T],
    elements: usize,
    split: usize,
) -> [Vec<f32>; 2] {
    // What is there before does not matter.
    let (mut mean, mut m2) = (vec![f32::NAN; elements], vec![f32::NAN; elements]);
    let mut statistics = Statistics::new(elements as u64);
    for part in samples.chunks(split * elements) {
        run(context, statistics.update(part, &mut mean, &mut m2));
        statistics = statistics.with_count(statistics.count() + (part.len() / elements) as u64);
    }
    let mut variance = vec![0.0; elements];
    run(context, statistics.variance(&m2, &mut variance));
    [mean, variance]
}

fn check_samples<T: Element>(context: Option<&Context>, name: &str) {
    for (elements, count, split, center, spread) in [
        (1, 1, 1, 0.0, 1.0),
        (1, 1000, 1000, 3.0, 1.0),
        (7, 64, 64, 1.0, 0.1),
        (3, 70_000, 70_000, 1.0, 0.1),
        (1001, 20, 7, -2.0, 3.0),
        (70_000, 5, 2, 0.5, 0.5),
        (257, 64, 64, 1e4, 1.0),
        (257, 64, 16, 1e4, 1.0),
    ] {
        let samples: Vec<_> = normals(9, elements * count).iter().map(|z| center + spread * z).collect();
        let samples: Vec<T> = narrow(&samples);
        let [mean, variance] = mean_and_variance(context, &samples, elements, split);
        let what = format!("{name}: {} {elements} × {count} by {split}", T::DTYPE);
        check_moments(&samples, &mean, &variance, count.div_ceil(split.min(1 << 12)), &what);
    }
}

#[test]
fn mean_and_variance_are_those_of_binary64() {
    for (name, context) in contexts() {
        check_samples::<f32>(context, name);
        check_samples::<f16>(context, name);
        check_samples::<bf16>(context, name);
    }
}

/// All the same number: the variance is 0, and the mean exact.
#[test]
fn constant_samples_have_no_variance() {
    for (name, context) in contexts() {
        let [mean, variance] = mean_and_variance(context, &[0.1_f32; 300], 3, 40);
        assert_eq!((&mean[..], &variance[..]), (&[0.1; 3][..], &[0.0; 3][..]), "{name}");
    }
}

#[test]
fn accumulators_merge() {
    let elements = 300;
    let samples: Vec<f32> = narrow(&normals(4, elements * 50).iter().map(|z| 100.0 + z).collect::<Vec<_>>());
    for (name, context) in contexts() {
        let (mut mean, mut m2) = (vec![f32::NAN; elements], vec![f32::NAN; elements]);
        let mut statistics = Statistics::new(elements as u64);
        let cuts = [0, 20, 21, 50];
        for cut in cuts.windows(2) {
            let part = &samples[cut[0] * elements..cut[1] * elements];
            let (mut other_mean, mut other_m2) = (vec![0.0_f32; elements], vec![0.0_f32; elements]);
            run(context, Statistics::new(elements as u64).update(part, &mut other_mean, &mut other_m2));
            let count = (cut[1] - cut[0]) as u64;
            run(context, statistics.merge(&other_mean, &other_m2, count, &mut mean, &mut m2));
            statistics = statistics.with_count(statistics.count() + count);
            // Nothing more.
            run(context, statistics.merge(&other_mean, &other_m2, 0, &mut mean, &mut m2));
        }
        let mut variance = vec![0.0_f32; elements];
        run(context, statistics.variance(&m2, &mut variance));
        check_moments(&samples, &mean, &variance, 2 * cuts.len(), name);
    }
}

/// Ranges of one buffer, at odd offsets, in pieces that a small device can bind: the same bits as from buffers of their own.
#[test]
fn places_and_chunks_make_no_difference_but_for_rounded_means() {
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 4096;
        });
        let small = Context::from_device(device, queue).unwrap();
        // Samples that fit, some at once; and samples of which not even one does.
        for (elements, count) in [(100, 30), (101, 7), (3001, 3)] {
            let samples: Vec<f16> = narrow(&normals(5, elements * count));
            let mut words = vec![0_u32; elements * count / 2 + 2];
            bytemuck::cast_slice_mut::<_, f16>(&mut words)[1..][..samples.len()].copy_from_slice(&samples);
            let input = buffer(&small, &words);
            let (first, second) = (3 * 4, (elements as u64 + 5) * 4);
            let accumulators = buffer(&small, &vec![f32::NAN.to_bits(); 2 * elements + 9]);
            let size = elements as u64 * 4;
            let mean = BufferRange::new(&accumulators, first, size);
            let m2 = BufferRange::new(&accumulators, second, size);
            let input = BufferRange::new(&input, 2, samples.len() as u64 * 2).with_dtype(Dtype::F16);
            let statistics = Statistics::new(elements as u64);
            small.submit_pass(statistics.update(input, mean, m2)).unwrap();
            small.submit_pass(statistics.with_count(count as u64).variance(m2, m2)).unwrap();
            let [result] = read(&small, [&accumulators]);
            let result: Vec<f32> = bytemuck::cast_vec(result);
            assert!(result[..3].iter().chain(&result[2 * elements + 5..]).all(|x| x.is_nan()), "{}", subject.name);
            let (mean, variance) = (&result[3..][..elements], &result[elements + 5..][..elements]);
            check_moments(&samples, mean, variance, count, &subject.name);
        }
    }
}

fn entropy(p: &[f64]) -> f64 {
    -p.iter().map(|&p| if p == 0.0 { 0.0 } else { p * p.ln() }).sum::<f64>()
}

/// Mean probabilities, and predictive entropy, expected entropy and mutual information of each row.
fn uncertainty<T: Element>(logits: &[T], rows: usize, classes: usize) -> [Vec<f64>; 4] {
    let count = (logits.len() / (rows * classes)) as f64;
    let (mut mean, mut expected) = (vec![0.0; rows * classes], vec![0.0; rows]);
    for (number, row) in logits.chunks(classes).enumerate() {
        let row: Vec<f64> = row.iter().map(|x| f64::from(x.widen())).collect();
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let e: Vec<_> = row.iter().map(|x| (x - largest).exp()).collect();
        let sum: f64 = e.iter().sum();
        let p: Vec<_> = e.iter().map(|e| e / sum).collect();
        let row = number % rows;
        mean[row * classes..][..classes].iter_mut().zip(&p).for_each(|(mean, p)| *mean += p / count);
        expected[row] += entropy(&p) / count;
    }
    let predictive: Vec<_> = mean.chunks(classes).map(entropy).collect();
    let information = predictive.iter().zip(&expected).map(|(h, e)| (h - e).max(0.0)).collect();
    [mean, predictive, expected, information]
}

fn check_uncertainty(actual: &[Vec<f32>; 4], expected: &[Vec<f64>; 4], what: &str) {
    for (i, (&p, &q)) in actual[0].iter().zip(&expected[0]).enumerate() {
        let (off, most) = ((f64::from(p) - q).abs(), 2e-6 * q + 1e-7);
        assert!(off <= most, "{what}: probability {i} is {p} and not {q}: {off:e}");
    }
    let names = ["predictive entropy", "expected entropy", "mutual information"];
    for ((actual, expected), name) in actual[1..].iter().zip(&expected[1..]).zip(names) {
        for (row, (&h, &expected)) in actual.iter().zip(expected).enumerate() {
            let off = (f64::from(h) - expected).abs();
            assert!(off <= 1e-5 && h >= 0.0, "{what}: {name} of row {row} is {h} and not {expected}: {off:e}");
        }
    }
}

fn streamed<T: Element>(
    context: Option<&Context>,
    logits: &[T],
    rows: usize,
    classes: usize,
    split: usize,
) -> [Vec<f32>; 4] {
    let mut state = Uncertainty::new(rows as u64, classes as u64).unwrap();
    let (mut probability, mut entropy) = (vec![f32::NAN; rows * classes], vec![f32::NAN; rows]);
    for part in logits.chunks(split * rows * classes) {
        run(context, state.update(part, &mut probability, &mut entropy));
        state = state.with_count(state.count() + (part.len() / (rows * classes)) as u64);
    }
    let mut of_rows = [vec![0.0_f32; rows], vec![0.0; rows], vec![0.0; rows]];
    let [predictive, expected, information] = &mut of_rows;
    run(context, state.finish(&probability, &entropy, predictive, expected, information));
    let [predictive, expected, information] = of_rows;
    [probability, predictive, expected, information]
}

fn check_logits<T: Element>(context: Option<&Context>, name: &str) {
    for (count, rows, classes, split, spread) in [
        (1, 1, 1, 1, 1.0),
        (3, 5, 2, 3, 4.0),
        (64, 33, 10, 64, 3.0),
        (20, 100, 10, 6, 30.0),
        (9, 17, 31, 9, 2.0),
        (9, 17, 32, 9, 2.0),
        (9, 17, 33, 4, 2.0),
        (16, 7, 1000, 16, 1.0),
        (4, 3, 5001, 3, 1e-3),
        (2, 1, 65_536, 2, 0.0),
        (100, 2, 65_536, 100, 2.0),
        (3000, 2, 600, 3000, 2.0),
        (7000, 3, 25, 7000, 2.0),
    ] {
        let logits: Vec<T> = narrow(&normals(6, count * rows * classes).iter().map(|z| z * spread).collect::<Vec<_>>());
        let what = format!("{name}: {} ({count}, {rows}, {classes}) by {split}", T::DTYPE);
        let actual = streamed(context, &logits, rows, classes, split);
        check_uncertainty(&actual, &uncertainty(&logits, rows, classes), &what);
    }
}

#[test]
fn entropies_are_those_of_binary64() {
    for (name, context) in contexts() {
        check_logits::<f32>(context, name);
        check_logits::<f16>(context, name);
        check_logits::<bf16>(context, name);
    }
}

/// Certain classes, classes that are ruled out, logits that would overflow, all the same; for a few classes and for many.
#[test]
fn logits_at_the_limits() {
    for (name, context) in contexts() {
        for classes in [3, 40] {
            let row = |first: [f32; 3]| -> Vec<f32> {
                first.into_iter().chain([f32::NEG_INFINITY].repeat(classes - 3)).collect()
            };
            let minus = f32::NEG_INFINITY;
            let rows = [
                [1000.0, -1000.0, minus],
                [3e38, 3e38, -3e38],
                [0.0, 0.0, 0.0],
                [-200.0, -201.0, minus],
                [minus, 5.0, minus],
            ];
            // The second sample takes the rows from the other end.
            let logits: Vec<f32> = rows.into_iter().chain(rows.into_iter().rev()).flat_map(row).collect();
            let actual = streamed(context, &logits, rows.len(), classes, 2);
            check_uncertainty(&actual, &uncertainty(&logits, rows.len(), classes), name);
            let alone = streamed(context, &logits[..rows.len() * classes], rows.len(), classes, 1);
            assert_eq!(alone[0][4 * classes..][..3], [0.0, 1.0, 0.0], "{name}");
            assert_eq!((alone[1][4], alone[2][4], alone[3][4]), (0.0, 0.0, 0.0), "{name}");
        }
    }
}

#[test]
fn accumulators_of_uncertainty_merge() {
    let (rows, classes, count) = (20, 10, 12);
    let logits: Vec<f32> = narrow(&normals(8, count * rows * classes).iter().map(|z| 3.0 * z).collect::<Vec<_>>());
    for (name, context) in contexts() {
        let new = Uncertainty::new(rows as u64, classes as u64).unwrap();
        let mut state = new;
        let (mut probability, mut entropy) = (vec![f32::NAN; rows * classes], vec![f32::NAN; rows]);
        for part in logits.chunks(5 * rows * classes) {
            let (mut other_probability, mut other_entropy) = (vec![0.0_f32; rows * classes], vec![0.0_f32; rows]);
            run(context, new.update(part, &mut other_probability, &mut other_entropy));
            let count = (part.len() / (rows * classes)) as u64;
            run(context, state.merge(&other_probability, &other_entropy, count, &mut probability, &mut entropy));
            state = state.with_count(state.count() + count);
        }
        let mut outputs = [vec![0.0_f32; rows], vec![0.0; rows], vec![0.0; rows]];
        let [predictive, expected, information] = &mut outputs;
        run(context, state.finish(&probability, &entropy, predictive, expected, information));
        let [predictive, expected, information] = outputs;
        check_uncertainty(
            &[probability, predictive, expected, information],
            &uncertainty(&logits, rows, classes),
            name,
        );
    }
}

/// On a device that binds little: in parts of the rows, and some samples at a time.
#[test]
fn uncertainty_in_chunks() {
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 4096;
        });
        let small = Context::from_device(device, queue).unwrap();
        for (count, rows, classes) in [(20, 10, 10), (3, 300, 10), (3, 11, 200)] {
            let logits: Vec<bf16> = narrow(&normals(7, count * rows * classes));
            let actual = streamed(Some(&small), &logits, rows, classes, count);
            check_uncertainty(&actual, &uncertainty(&logits, rows, classes), &subject.name);
        }
        let error = small.run_pass_blocking(Uncertainty::new(1, 2000).unwrap().update(
            &[0.0_f32; 2000][..],
            &mut [0.0_f32; 2000][..],
            &mut [0.0_f32; 1][..],
        ));
        assert!(matches!(error, Err(Error::TooLarge { .. })), "{error:?}");
    }
}

/// Every sample is what its key gives by itself, bit for bit.
fn check_drawn<T: Element>(context: &Context, name: &str) {
    for (kind, elements, first, count) in [
        (Kind::Inverted, 1000, 0, 5),
        (Kind::Inverted, 333, 65_530, 6),
        (Kind::Alpha, 77, 3, 3),
        (Kind::Gaussian, 130, 9, 3),
    ] {
        for &generator in Generator::ALL {
            let dropout = Dropout::of_kind(kind, 0.4).unwrap().with_generator(generator);
            for view in [View::contiguous(5), View::shared(0, &[elements, 1], &[1]).unwrap()] {
                let mask = dropout.mask(Key::new(3).with_layer(2).with_step(77)).at(view);
                let x: Vec<T> = narrow(&normals(1, elements as usize));
                let mut y: Vec<T> = vec![T::narrow(9.0); x.len() * count as usize];
                let samples = Samples::new(mask, first, count).unwrap();
                context.run_pass_blocking(samples.forward(&x, &mut y)).unwrap();
                for (sample, y) in (first..).zip(y.chunks(x.len())) {
                    let key = mask.key().with_sample(u16::try_from(sample).unwrap());
                    let expected = reference::forward(&mask.with_key(key), &x).unwrap();
                    let same = bytemuck::cast_slice::<_, u8>(y) == bytemuck::cast_slice::<_, u8>(&expected);
                    assert!(same, "{name}: {kind} {} {generator}, sample {sample}", T::DTYPE);
                }
                let mut on_the_cpu: Vec<T> = vec![T::narrow(9.0); y.len()];
                reference::run_pass(samples.forward(&x, &mut on_the_cpu)).unwrap();
                assert!(bytemuck::cast_slice::<_, u8>(&y) == bytemuck::cast_slice::<_, u8>(&on_the_cpu));
            }
        }
    }
}

#[test]
fn samples_are_those_of_their_keys() {
    for subject in subjects() {
        check_drawn::<f32>(&subject.context, &subject.name);
        check_drawn::<f16>(&subject.context, &subject.name);
        check_drawn::<bf16>(&subject.context, &subject.name);
    }
}

#[test]
fn samples_of_gathered_rows() {
    let ids = [4_u32, 0, 4];
    let mask = Dropout::new(0.5).unwrap().mask(Key::new(3)).shared(&[3, 20], &[]).unwrap().gathered().unwrap();
    let x = [1.0_f32; 60];
    for subject in subjects() {
        let mut y = vec![0.0_f32; 4 * 60];
        let samples = Samples::new(mask, 1, 4).unwrap();
        subject.context.run_pass_blocking(samples.gathered_forward(&x[..], &ids[..], &mut y)).unwrap();
        let mut expected = vec![0.0_f32; 4 * 60];
        reference::run_pass(samples.gathered_forward(&x[..], &ids[..], &mut expected)).unwrap();
        assert_eq!(bits(&y), bits(&expected), "{}", subject.name);
        assert_eq!(y[..20], y[40..60]);
        assert_ne!(y[..60], y[60..120]);
    }
}

/// Samples, their statistics and the variance in one recording: memory for one chunk of samples only.
#[test]
fn one_recording() {
    let (elements, chunk, chunks) = (1000_u64, 8, 4);
    let mask = Dropout::new(0.25).unwrap().mask(Key::new(11));
    let x = vec![1.0_f32; 1000];
    for subject in subjects() {
        let context = &subject.context;
        let input = buffer(context, &bits(&x));
        let [drawn, mean, m2] = [chunk * 1000, 1000, 1000].map(|n| buffer(context, &vec![0; n]));
        let mut encoder = context.device().create_command_encoder(&Default::default());
        let all = |buffer| BufferRange::from(buffer);
        for part in 0..chunks {
            let first = part * chunk as u64;
            let samples = Samples::new(mask, first, chunk as u64).unwrap();
            context.record_pass(&mut encoder, samples.forward(all(&input), all(&drawn))).unwrap();
            let statistics = Statistics::new(elements).with_count(first);
            context.record_pass(&mut encoder, statistics.update(all(&drawn), all(&mean), all(&m2))).unwrap();
        }
        context.queue().submit([encoder.finish()]);
        let [mean] = read(context, [&mean]);
        let mut expected = vec![0.0_f32; chunk * chunks as usize * 1000];
        let samples = Samples::new(mask, 0, chunk as u64 * chunks).unwrap();
        reference::run_pass(samples.forward(&x, &mut expected)).unwrap();
        for (i, mean) in mean.into_iter().enumerate() {
            let expected = expected[i..].iter().step_by(1000).sum::<f32>() / 32.0;
            assert!((f32::from_bits(mean) - expected).abs() < 1e-5, "{}: {i}", subject.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mask = Dropout::new(0.5).unwrap().mask(Key::new(0));
    let error = Samples::new(mask, 65_530, 7).unwrap_err().to_string();
    assert!(error.contains("65530") && error.contains('7') && error.contains("65536"), "{error}");
    assert!(Samples::new(mask, 65_530, 6).is_ok() && Samples::new(mask, 65_536, 0).is_ok());
    assert!(Samples::new(mask, u64::MAX, 2).is_err());
    assert!(matches!(Uncertainty::new(3, 0), Err(Error::Number { .. })));
    assert!(matches!(Uncertainty::new(1 << 40, 1 << 40), Err(Error::TooLarge { .. })));
    for (_, context) in contexts() {
        let fails = |pass: Pass<Slice<'_>>| match context {
            Some(context) => context.run_pass_blocking(pass).unwrap_err(),
            None => reference::run_pass(pass).unwrap_err(),
        };
        let (mut a, mut b) = ([0.0_f32; 3], [0.0_f32; 3]);
        let statistics = Statistics::new(3);
        // No whole samples.
        assert!(matches!(fails(statistics.update(&[0.0_f32; 7][..], &mut a[..], &mut b[..])), Error::Size { .. }));
        assert!(matches!(fails(statistics.update(&[0.0_f32; 6][..], &mut a[..2], &mut b[..])), Error::Size { .. }));
        assert!(matches!(fails(statistics.variance(&a[..], &mut b[..])), Error::Number { .. }));
        // What is written must be mutable, and accumulators are f32.
        assert!(matches!(fails(statistics.update(&[0.0_f32; 6][..], &a[..], &mut b[..])), Error::Operands { .. }));
        let mut halves = [f16::ZERO; 3];
        let pass = statistics.update(&[f16::ZERO; 3][..], &mut halves[..], &mut b[..]);
        assert!(matches!(fails(pass), Error::Dtype { .. }));
        let mut y = [0.0_f32; 5];
        let samples = Samples::new(mask, 0, 2).unwrap();
        assert!(matches!(fails(samples.forward(&a[..], &mut y[..])), Error::Size { .. }));
    }
    let context = &subjects()[0].context;
    // Nothing: no elements, and no samples.
    let mut nothing = [0.0_f32; 0];
    let mut nothing_else = [0.0_f32; 0];
    let no_samples = [0.0_f32; 0];
    let pass = Statistics::new(0).update(&no_samples[..], &mut nothing[..], &mut nothing_else[..]);
    context.run_pass_blocking(pass).unwrap();
    let (mut a, mut b) = ([7.0_f32; 3], [7.0_f32; 3]);
    context
        .run_pass_blocking(Statistics::new(3).with_count(1).update(&[0.0_f32; 0][..], &mut a[..], &mut b[..]))
        .unwrap();
    assert_eq!((a, b), ([7.0; 3], [7.0; 3]));
}
