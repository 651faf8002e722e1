//! `DropConnect` against the reference, within what it promises and exactly for small integers, on every adapter.
use half::{bf16, f16};
use wgpu_dropout::{
    BufferRange, Context, DropConnect, Dropout, Dtype, Element, Error, Generator, Key, Mask, Options, Pass, Slice,
    kernels::Schedule, reference,
};

use crate::adapters::{buffer, context_with, device, read, subjects};

const POISON: f32 = -77.0;

fn mask(p: f64, generator: Generator, start: u64) -> Mask {
    Dropout::new(p).unwrap().with_generator(generator).mask(Key::new(17).with_layer(2)).at(start)
}

/// Numbers that are no integers, or small integers.
fn elements<T: Element>(count: u64, seed: u64, integers: bool) -> Vec<T> {
    let number = |i: u64| ((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed * 0x1234_5677) >> 33) as u32;
    let element = |i| match integers {
        true => (number(i) % 7) as f32 - 3.0,
        false => number(i) as f32 / (1_u32 << 31) as f32 * 4.0 - 2.0,
    };
    (0..count).map(|i| T::narrow(element(i))).collect()
}

fn magnitudes<T: Element>(values: &[T]) -> Vec<f32> {
    values.iter().map(|x| x.widen().abs()).collect()
}

/// The bound of a sum: of so many terms, whose magnitudes have the sum `all`, rounded to a type.
fn bound<T: Element>(terms: u64, all: f32, expected: f32) -> f64 {
    let half_ulp = match T::DTYPE {
        Dtype::F16 => f64::from(expected.abs()) / 2048.0 + 6e-8,
        Dtype::Bf16 => f64::from(expected.abs()) / 256.0,
        _ => 0.0,
    };
    (terms + 8) as f64 / f64::from(1 << 24) * f64::from(all) + half_ulp * 1.01
}

fn check_bounds<T: Element>(actual: &[T], exact: &[f32], all: &[f32], terms: u64, what: &str) {
    for (i, ((actual, &exact), &all)) in actual.iter().zip(exact).zip(all).enumerate() {
        let difference = (f64::from(actual.widen()) - f64::from(exact)).abs();
        assert!(
            difference <= bound::<T>(terms, all, exact),
            "{what}: element {i} is {} and not {exact}",
            actual.widen()
        );
    }
}

fn widen<T: Element>(values: &[T]) -> Vec<f32> {
    values.iter().map(|x| x.widen()).collect()
}

/// Runs a pass whose tensors, in this order and the last ones written, lie after some elements of buffers of their own.
fn run<T: Element>(
    context: &Context,
    tensors: &[&[T]],
    outputs: &[u64],
    shifts: &[u64],
    pass: impl for<'a> Fn(&[BufferRange<'a>]) -> Pass<BufferRange<'a>>,
) -> Vec<Vec<T>> {
    let poison = |count: u64| vec![T::narrow(POISON); count as usize];
    let words = |values: &[T]| {
        let mut bytes = bytemuck::cast_slice::<T, u8>(values).to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytemuck::pod_collect_to_vec::<u8, u32>(&bytes)
    };
    let contents = tensors.iter().map(|tensor| tensor.to_vec()).chain(outputs.iter().map(|&count| poison(count)));
    let contents: Vec<Vec<T>> =
        contents.zip(shifts).map(|(tensor, &shift)| [poison(shift), tensor, poison(9)].concat()).collect();
    let buffers: Vec<_> = contents.iter().map(|all| buffer(context, &words(all))).collect();
    let ranges: Vec<_> = contents
        .iter()
        .zip(&buffers)
        .zip(shifts)
        .map(|((all, buffer), &shift)| {
            let size = T::DTYPE.size();
            BufferRange::new(buffer, shift * size, (all.len() as u64 - shift - 9) * size).with_dtype(T::DTYPE)
        })
        .collect();
    context.submit_pass(pass(&ranges)).unwrap();
    let written = tensors.len()..;
    let mut results = vec![];
    for ((buffer, before), &shift) in
        buffers[written.clone()].iter().zip(&contents[written.clone()]).zip(&shifts[written])
    {
        let [words] = read(context, [buffer]);
        let values: Vec<T> =
            bytemuck::pod_collect_to_vec(&bytemuck::cast_slice::<u32, u8>(&words)[..size_of_val(&before[..])]);
        let (from, to) = (shift as usize, before.len() - 9);
        let untouched = values[..from].iter().chain(&values[to..]);
        assert!(untouched.clone().all(|x| x.widen() == POISON), "outside: {:?}", widen(&values));
        results.push(values[from..to].to_vec());
    }
    results
}

#[derive(Clone, Copy, Debug)]
struct Case {
    of: DropConnect,
    integers: bool,
    shifts: [u64; 4],
}

fn check<T: Element>(context: &Context, case: &Case, name: &str) {
    let &Case { of, integers, shifts } = case;
    let (batch, outputs, inputs) = (of.batch(), of.outputs(), of.inputs());
    let weights: Vec<T> = elements(outputs * inputs, 1, integers);
    let x: Vec<T> = elements(batch * inputs, 2, integers);
    let dy: Vec<T> = elements(batch * outputs, 3, integers);
    let [abs_w, abs_x, abs_dy] = [&weights, &x, &dy].map(|values| magnitudes(values));
    let [exact_w, exact_x, exact_dy] = [&weights, &x, &dy].map(|values| widen(values));
    // The reference in f32, of the elements and of their magnitudes.
    #[allow(clippy::type_complexity, reason = "a closure over slices")]
    let reference = |pass: &dyn for<'a> Fn([&'a [f32]; 3], &'a mut [f32]) -> Pass<Slice<'a>>, count: u64| {
        [[&exact_w[..], &exact_x, &exact_dy], [&abs_w, &abs_x, &abs_dy]].map(|operands| {
            let mut y = vec![0.0; count as usize];
            reference::run_pass(pass(operands, &mut y)).unwrap();
            y
        })
    };
    let check = |actual: &[T], [exact, all]: [Vec<f32>; 2], terms: u64, part: &str| {
        let what = format!("{name}: {part} {} {case:?}", T::DTYPE);
        check_bounds(actual, &exact, &all, terms, &what);
        if integers {
            assert!(actual.iter().zip(&exact).all(|(a, e)| a.widen() == T::narrow(*e).widen()), "{what}");
        }
    };
    let [w, i, g, o] = shifts;
    let y = run(context, &[&weights, &x], &[batch * outputs], &[w, i, o], |r| of.forward(r[0], r[1], r[2]));
    check(&y[0], reference(&|[w, x, _], y| of.forward(w, x, y), batch * outputs), inputs, "forward");
    let dx = run(context, &[&weights, &dy], &[batch * inputs], &[w, g, o], |r| of.backward_input(r[0], r[1], r[2]));
    check(&dx[0], reference(&|[w, _, dy], dx| of.backward_input(w, dy, dx), batch * inputs), outputs, "input gradient");
    let dw = run(context, &[&x, &dy], &[outputs * inputs], &[i, g, o], |r| of.backward_weights(r[0], r[1], r[2]));
    let expected = reference(&|[_, x, dy], dw| of.backward_weights(x, dy, dw), outputs * inputs);
    check(&dw[0], expected, batch, "weights gradient");
}

/// A type by turns, because drivers that compile on CPUs take their time.
fn check_in_turn(turn: usize, context: &Context, case: &Case, name: &str) {
    match turn % 3 {
        0 => check::<f32>(context, case, name),
        1 => check::<f16>(context, case, name),
        _ => check::<bf16>(context, case, name),
    }
}

const SHAPES: [[u64; 3]; 16] = [
    [1, 1, 1],
    [3, 5, 7],
    [4, 8, 32],
    [5, 9, 33],
    [2, 12, 64],
    [9, 3, 100],
    [1, 17, 40],
    [6, 1, 65],
    [7, 10, 1],
    [4, 4, 31],
    [13, 21, 96],
    [8, 16, 128],
    [2, 3, 260],
    [1, 1, 500],
    [33, 2, 8],
    [3, 70, 12],
];

#[test]
fn shapes_starts_and_types() {
    for subject in subjects() {
        for (number, [batch, outputs, inputs]) in SHAPES.into_iter().enumerate() {
            let start = [0, 32, 5, (1 << 35) - 3, 8][number % 5];
            let generator = Generator::ALL[number % 2];
            let p = [0.5, 0.1, 0.0, 0.9][number % 4];
            let of = DropConnect::new(mask(p, generator, start), batch, outputs, inputs).unwrap();
            let n = number as u64;
            let case = Case {
                of: of.with_mask_per_batch(number % 3 == 1),
                integers: p == 0.5,
                shifts: if number % 3 == 0 { [0; 4] } else { [n % 4, n % 3, n % 5, n % 2 + n % 3] },
            };
            check_in_turn(number, &subject.context, &case, &subject.name);
        }
    }
}

#[test]
fn schedules_and_one_mask() {
    for subject in subjects() {
        for &schedule in Schedule::ALL {
            let context = context_with(subject, Options::default().with_schedule(schedule));
            for (turn, (start, one)) in [(0, false), (7, true), (3, false), (0, true)].into_iter().enumerate() {
                let of = DropConnect::new(mask(0.5, Generator::Threefry, start), 6, 20, 64).unwrap();
                let case = Case { of: of.with_mask_per_batch(one), integers: true, shifts: [0, 0, 0, 0] };
                check_in_turn(turn, &context, &case, &format!("{} {schedule:?}", subject.name));
            }
        }
    }
}

#[test]
fn everything_kept_and_everything_dropped() {
    for subject in subjects() {
        let context = &subject.context;
        for (turn, (p, training)) in [(1.0, true), (0.0, true), (1.0, false), (0.3, false)].into_iter().enumerate() {
            let mask = Dropout::new(p).unwrap().with_training(training).mask(Key::new(1));
            let of = DropConnect::new(mask, 5, 6, 9).unwrap();
            check_in_turn(turn, context, &Case { of, integers: true, shifts: [0, 1, 2, 1] }, &subject.name);
        }
        // No terms: sums are 0. No elements: nothing.
        for [batch, outputs, inputs] in [[3, 4, 0], [0, 4, 3], [3, 0, 4], [0, 0, 0]] {
            let of = DropConnect::new(mask(0.5, Generator::Philox, 0), batch, outputs, inputs).unwrap();
            let (w, x) = (vec![1.0_f32; (outputs * inputs) as usize], vec![1.0_f32; (batch * inputs) as usize]);
            let mut y = vec![POISON; (batch * outputs) as usize];
            context.run_pass_blocking(of.forward(&w, &x, &mut y)).unwrap();
            assert!(y.iter().all(|y| y.to_bits() == 0), "{}", subject.name);
            let (mut dx, mut dw) = (x.clone(), w.clone());
            context.run_pass_blocking(of.backward_input(&w, &y, &mut dx)).unwrap();
            context.run_pass_blocking(of.backward_weights(&x, &y, &mut dw)).unwrap();
            assert!(dx.iter().chain(&dw).all(|d| d.to_bits() == 0), "{}", subject.name);
        }
    }
}

/// What is dropped does not leak, be it infinite or not a number.
#[test]
fn dropped_terms_are_zero() {
    let of = DropConnect::new(mask(0.5, Generator::Threefry, 3), 9, 11, 45).unwrap();
    let keep: Vec<bool> = (0..9 * 11 * 45).map(|i| reference::keeps(&mask(0.5, Generator::Threefry, 3), i)).collect();
    let w = vec![1.0_f32; 11 * 45];
    for bad in [f32::INFINITY, f32::NAN] {
        let x: Vec<f32> = (0..9 * 45).map(|i| if i % 45 == 17 { bad } else { 1.0 }).collect();
        for subject in subjects() {
            let mut y = vec![0.0; 99];
            subject.context.run_pass_blocking(of.forward(&w, &x, &mut y)).unwrap();
            for (row, y) in y.iter().enumerate() {
                let decisions = &keep[row * 45..][..45];
                let kept = 2.0 * decisions.iter().filter(|keep| **keep).count() as f32;
                assert!(decisions[17] && !y.is_finite() || *y == kept, "{}: {row} {y} {kept}", subject.name);
            }
        }
    }
}

#[test]
fn moments_and_samples() {
    for subject in subjects() {
        for (number, [batch, outputs, inputs]) in SHAPES.into_iter().enumerate() {
            let of =
                DropConnect::new(mask(0.3, Generator::ALL[number % 2], [0, 7, 2][number % 3]), batch, outputs, inputs);
            let shifts = if number % 2 == 0 { [0; 4] } else { [1, 2, 3, 1] };
            match number % 3 {
                0 => check_moments::<f32>(&subject.context, of.as_ref().unwrap(), shifts, &subject.name),
                1 => check_moments::<f16>(&subject.context, of.as_ref().unwrap(), shifts, &subject.name),
                _ => check_moments::<bf16>(&subject.context, of.as_ref().unwrap(), shifts, &subject.name),
            }
        }
    }
}

fn check_moments<T: Element>(context: &Context, &of: &DropConnect, shifts: [u64; 4], name: &str) {
    let (batch, outputs, inputs) = (of.batch(), of.outputs(), of.inputs());
    let (weights, x): (Vec<T>, Vec<T>) = (elements(outputs * inputs, 1, false), elements(batch * inputs, 2, false));
    let n = batch * outputs;
    let moments = run(context, &[&weights, &x], &[n, n], &shifts, |r| of.moments(r[0], r[1], r[2], r[3]));
    let expected = [[widen(&weights), widen(&x)], [magnitudes(&weights), magnitudes(&x)]].map(|[w, x]| {
        let (mut mean, mut variance) = (vec![0.0; n as usize], vec![0.0; n as usize]);
        reference::run_pass(of.moments(&w, &x, &mut mean, &mut variance)).unwrap();
        [mean, variance]
    });
    for part in 0..2 {
        let what = format!("{name}: {} {} {of:?}", ["mean", "variance"][part], T::DTYPE);
        check_bounds(&moments[part], &expected[0][part], &expected[1][part], inputs, &what);
    }

    let (first, count) = (65_500, 20);
    let ours = &shifts[..3];
    let samples =
        run(context, &[&moments[0], &moments[1]], &[count * n], ours, |r| of.samples(r[0], r[1], r[2], first, count));
    let mut expected = vec![0.0_f32; (count * n) as usize];
    let [mean, variance] = [&moments[0], &moments[1]].map(|values| widen(values));
    reference::run_pass(of.samples(&mean, &variance, &mut expected, first, count)).unwrap();
    for (i, (sample, &expected)) in samples[0].iter().zip(&expected).enumerate() {
        let at = i % n as usize;
        let all = mean[at].abs() + 7.0 * variance[at].sqrt();
        let difference = (f64::from(sample.widen()) - f64::from(expected)).abs();
        let what = "sample";
        assert!(difference <= bound::<T>(0, all, expected), "{name}: {what} {i} {} {expected} {of:?}", sample.widen());
    }
}

/// Bindings of hardly anything: chunks along both axes, whose sums go on.
#[test]
fn chunks() {
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 4096;
        });
        let context = Context::with_options(device, queue, Options::default()).unwrap();
        for (one, start) in [(false, 0), (true, 5), (false, 9)] {
            let of = DropConnect::new(mask(0.5, Generator::Threefry, start), 37, 45, 64).unwrap();
            let case = Case { of: of.with_mask_per_batch(one), integers: true, shifts: [0, 1, 2, 3] };
            check::<f32>(&context, &case, &subject.name);
            let of = DropConnect::new(mask(0.5, Generator::Threefry, start), 7, 9, 64).unwrap();
            check::<f16>(&context, &Case { of, ..case }, &subject.name);
        }
        let of = DropConnect::new(mask(0.5, Generator::Threefry, 3), 37, 45, 10).unwrap();
        check_moments::<f32>(&context, &of, [0, 1, 2, 3], &subject.name);
    }
}

/// Tensors that lie together in one buffer.
#[test]
fn one_buffer() {
    for subject in subjects() {
        let context = &subject.context;
        for [batch, outputs, inputs] in [[5, 6, 40], [3, 7, 9]] {
            let of = DropConnect::new(mask(0.5, Generator::Threefry, 3), batch, outputs, inputs).unwrap();
            for dtype in [Dtype::F32, Dtype::F16] {
                let sizes = [outputs * inputs, batch * inputs, batch * outputs].map(|n| n * dtype.size());
                let starts =
                    [0, sizes[0].next_multiple_of(4), (sizes[0].next_multiple_of(4) + sizes[1]).next_multiple_of(4)];
                let one = if dtype == Dtype::F32 { 0x3f80_0000_u32 } else { 0x3c00_3c00 };
                let all = buffer(context, &vec![one; (starts[2] + sizes[2]).div_ceil(4) as usize]);
                let range = |i: usize| BufferRange::new(&all, starts[i], sizes[i]).with_dtype(dtype);
                context.submit_pass(of.forward(range(0), range(1), range(2))).unwrap();
                let [words] = read(context, [&all]);
                let y = &bytemuck::cast_slice::<u32, u8>(&words)[starts[2] as usize..][..sizes[2] as usize];
                let y: Vec<f32> = match dtype {
                    Dtype::F32 => bytemuck::pod_collect_to_vec(y),
                    _ => widen(&bytemuck::pod_collect_to_vec::<u8, f16>(y)),
                };
                let mut expected = vec![0.0_f32; y.len()];
                let (w, x) = (vec![1.0_f32; (outputs * inputs) as usize], vec![1.0_f32; (batch * inputs) as usize]);
                reference::run_pass(of.forward(&w, &x, &mut expected)).unwrap();
                assert_eq!(y, expected, "{} {dtype}", subject.name);
            }
        }
    }
}

#[test]
fn key_and_rate_in_a_buffer() {
    for subject in subjects() {
        let context = &subject.context;
        let (w, x): (Vec<f32>, Vec<f32>) = (elements(6 * 50, 1, true), elements(5 * 50, 2, true));
        for p in [0.5, 0.0, 1.0] {
            let of_host = mask(0.25, Generator::Philox, 3);
            let on_device = mask(p, Generator::Philox, 3);
            let other = on_device.with_key(Key::new(99));
            let words: Vec<u32> = bytemuck::pod_collect_to_vec(&other.key_and_rate());
            let key_buffer = buffer(context, &words);
            let key = context.bind_key_and_rate(&key_buffer).unwrap();
            let of = DropConnect::new(of_host, 5, 6, 50).unwrap();
            let [of_w, of_x] = [&w, &x].map(|values| buffer(context, bytemuck::cast_slice(values)));
            let y = buffer(context, &[0xdead_beef; 30]);
            let pass = of.forward(BufferRange::from(&of_w), BufferRange::from(&of_x), BufferRange::from(&y));
            context.submit_pass(pass.keyed_by(&key)).unwrap();
            let [y] = read(context, [&y]);
            let mut expected = vec![0.0; 30];
            reference::run_pass(DropConnect::new(other, 5, 6, 50).unwrap().forward(&w, &x, &mut expected)).unwrap();
            let y: &[f32] = bytemuck::cast_slice(&y);
            assert_eq!(y, expected, "{} {p}", subject.name);
        }
    }
}

/// Shards of examples and of outputs are parts of the whole.
#[test]
fn shards() {
    let (batch, outputs, inputs) = (6, 10, 33);
    let start = 7;
    let (w, x): (Vec<f32>, Vec<f32>) = (elements(outputs * inputs, 1, true), elements(batch * inputs, 2, true));
    let of = DropConnect::new(mask(0.5, Generator::Threefry, start), batch, outputs, inputs).unwrap();
    let mut whole = vec![0.0_f32; (batch * outputs) as usize];
    reference::run_pass(of.forward(&w, &x, &mut whole)).unwrap();
    for subject in subjects() {
        let first = mask(0.5, Generator::Threefry, start + 2 * outputs * inputs + 4 * inputs);
        let shard = DropConnect::new(first, 3, 5, inputs).unwrap().with_strides(outputs * inputs, inputs);
        let mut y = [0.0_f32; 15];
        let part = shard.forward(&w[(4 * inputs) as usize..][..165], &x[(2 * inputs) as usize..][..99], &mut y[..]);
        subject.context.run_pass_blocking(part).unwrap();
        for (i, y) in y.iter().enumerate() {
            assert_eq!(*y, whole[(i / 5 + 2) * 10 + i % 5 + 4], "{}", subject.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    fn run(pass: Pass<Slice<'_>>) -> Result<(), Error> {
        subjects()[0].context.run_pass_blocking(pass)
    }
    let of = DropConnect::new(mask(0.5, Generator::Threefry, 0), 2, 3, 4).unwrap();
    let (w, x, mut y) = (vec![0.0_f32; 12], vec![0.0_f32; 8], vec![POISON; 6]);
    assert!(matches!(run(of.forward(&w[1..], &x[..], &mut y[..])), Err(Error::Size { role: "weights", .. })));
    assert!(matches!(run(of.forward(&w, &w, &mut y)), Err(Error::Size { role: "input", .. })));
    assert!(matches!(run(of.backward_input(&w, &x, &mut y)), Err(Error::Size { role: "gradient", .. })));
    let all = DropConnect::new(mask(1.0, Generator::Threefry, 0), 2, 3, 4).unwrap();
    let (mean, mut variance) = (y.clone(), y.clone());
    assert!(matches!(run(all.moments(&w, &x, &mut y, &mut variance)), Err(Error::InfiniteVariance)));
    assert!(matches!(run(of.samples(&mean, &variance, &mut y, 1 << 16, 1)), Err(Error::Number { .. })));
    let past = DropConnect::new(mask(0.5, Generator::Philox, (1 << 59) - 23), 2, 3, 4).unwrap();
    assert!(matches!(run(past.forward(&w, &x, &mut y)), Err(Error::IndexRange { .. })));
    assert!(y.iter().all(|y| *y == POISON));
    let halves = vec![f16::ZERO; 12];
    assert!(matches!(run(of.forward(&halves, &x, &mut y)), Err(Error::Dtype { .. })));
}
