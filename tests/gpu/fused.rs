//! Fused passes against the reference: every activation, type, and what can be there or not; bit for bit where that is
//! promised, else within the published bound.

use half::{bf16, f16};
use wgpu_dropout::{
    Activation, BufferRange, Context, Dropout, Dtype, Element, Error, Fused, Generator, Key, Mask, Options, Pass,
    Slice, View, kernels::Schedule, reference,
};

use crate::adapters::{buffer, device, read, subjects};

/// A small generator of test data (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Mostly ordinary numbers.
    fn values<T: Element>(&mut self, count: usize, special: bool) -> Vec<T> {
        (0..count)
            .map(|_| {
                let ordinary =
                    (self.below(1 << 20) as f32 / 65536.0 - 8.0) * [1.0, 0.1, 1.0, 1.0][self.below(4) as usize];
                T::narrow(match self.below(if special { 40 } else { 1000 }) {
                    0 => 0.0,
                    1 => -0.0,
                    2 if special => f32::NAN,
                    3 if special => f32::INFINITY,
                    4 if special => f32::NEG_INFINITY,
                    5 if special => -f32::NAN,
                    6 if special => 1e30,
                    7 if special => -1e30,
                    _ => ordinary,
                })
            })
            .collect()
    }
}

/// A call with its data.
struct Case<T> {
    fused: Fused,
    backward: bool,
    source: Vec<T>,
    other: Option<Vec<T>>,
    bias: Option<Vec<T>>,
    ids: Option<Vec<u32>>,
    sums: bool,
}

impl<T: Element> Case<T> {
    fn random(random: &mut Random) -> Self {
        let columns = [1, 2, 3, 5, 8, 10, 31, 32, 33, 64, 100, 256, 999, 1000, 1024, 4097][random.below(16) as usize];
        let rows = [1, 2, 7, 40, 100][random.below(5) as usize].min(20_000 / columns + 1);
        let generator = Generator::ALL[random.below(2) as usize];
        let p = [0.0, 0.1, 0.5, 0.5, 0.9, 1.0][random.below(6) as usize];
        let dropout = Dropout::new(p).unwrap().with_generator(generator).with_training(random.below(10) > 0);
        let start = [0, 1, 5, 32, (1 << 35) - 40, 1 << 40][random.below(6) as usize];
        let mask = dropout.mask(Key::new(random.next()).with_stream(random.next()));
        let (mask, ids): (Mask, Option<Vec<u32>>) = match random.below(6) {
            0 => (mask.at(View::rows(start, columns, columns + random.below(40))), None),
            1 => (mask.at(start).shared(&[rows, columns], &[random.below(2) as usize]).unwrap(), None),
            2 => {
                let mask = mask.at(start).shared(&[rows, columns], &[]).unwrap().gathered().unwrap();
                (mask, Some((0..rows).map(|_| random.next() as u32).collect()))
            }
            _ => (mask.at(start), None),
        };
        let activation = Activation::ALL[random.below(5) as usize];
        let mut fused = Fused::new(mask, columns).unwrap().with_activation(activation);
        if random.flip() {
            let rate = [0.0, 0.3, 0.5, 1.0][random.below(4) as usize];
            let dropout = Dropout::new(rate).unwrap().with_generator(generator);
            fused = fused.with_row_keep(dropout.mask(Key::new(random.next())).at(random.below(100))).unwrap();
        }
        let count = (rows * columns) as usize;
        let backward = random.flip();
        // Infinities meet other activations' zeros, which are NaN here and numbers there.
        let special = matches!(activation, Activation::None | Activation::Relu) && random.flip();
        let other = if backward { activation != Activation::None } else { random.flip() };
        Self {
            fused,
            backward,
            source: random.values(count, special),
            other: other.then(|| random.values(count, special)),
            bias: random.flip().then(|| random.values(columns as usize, special)),
            ids,
            sums: backward && random.flip(),
        }
    }

    fn pass<'a, P>(
        &self,
        source: impl Into<P>,
        output: impl Into<P>,
        [other, bias, ids, sums]: [Option<P>; 4],
    ) -> Pass<P>
    where
        P: wgpu_dropout::Place + 'a,
    {
        let mut pass =
            if self.backward { self.fused.backward(source, output) } else { self.fused.forward(source, output) };
        if let Some(other) = other {
            pass = if self.backward { pass.with_input(other) } else { pass.with_residual(other) };
        }
        if let Some(bias) = bias {
            pass = pass.with_bias(bias);
        }
        if let Some(ids) = ids {
            pass = pass.with_row_ids(ids);
        }
        sums.into_iter().fold(pass, Pass::with_bias_gradient)
    }

    /// With the output and the sums of columns.
    fn run(&self, run: impl FnOnce(Pass<Slice<'_>>) -> Result<(), Error>) -> Result<(Vec<T>, Vec<f32>), Error> {
        let mut y = vec![T::zeroed(); self.source.len()];
        let mut sums = vec![0.0_f32; self.fused.columns() as usize];
        let other = self.other.as_ref().map(Slice::from);
        let bias = self.bias.as_ref().map(Slice::from);
        let ids = self.ids.as_ref().map(|ids| Slice::from(&ids[..]));
        let sums_slice = self.sums.then(|| Slice::from(&mut sums));
        run(self.pass(Slice::from(&self.source), Slice::from(&mut y), [other, bias, ids, sums_slice]))?;
        Ok((y, sums))
    }

    /// Checks a result against the reference.
    fn check(&self, actual: (Vec<T>, Vec<f32>), what: &str) {
        let (y, sums) = self.run(reference::run_pass).unwrap();
        let exact = matches!(self.fused.activation(), Activation::None | Activation::Relu);
        let unit = match T::DTYPE {
            Dtype::F32 => 2_f64.powi(-24),
            Dtype::F16 => 2_f64.powi(-11),
            _ => 2_f64.powi(-8),
        };
        let scale =
            f64::from(self.fused.mask().scale()) * self.fused.row_keep().map_or(1.0, |rows| rows.scale().into());
        let mut wrong = vec![];
        for i in 0..y.len() {
            let (a, e) = (actual.0[i].widen(), y[i].widen());
            let gain = if self.backward { f64::from(self.source[i].widen()).abs() } else { 1.0 };
            let bound =
                (f64::from(e).abs() * 8.0 * 2_f64.powi(-24)) + 2e-6 * scale * gain + f64::from(e).abs() * 2.0 * unit;
            let bound = bound + if T::DTYPE == Dtype::F16 { 6e-8 } else { 0.0 };
            // A residual takes part in roundings.
            let bound = bound + self.other.as_ref().map_or(0.0, |other| 2.0 * unit * f64::from(other[i].widen()).abs());
            let same = a.to_bits() == e.to_bits() || a.is_nan() && e.is_nan();
            // What is subnormal may be a zero of its sign.
            let flushed = a == 0.0 && e.abs() < f32::MIN_POSITIVE && a.is_sign_positive() == e.is_sign_positive();
            let near = !exact && f64::from(a - e).abs() <= bound;
            if !(same || near || flushed) {
                wrong.push((i, a, e));
            }
        }
        assert!(wrong.is_empty(), "{what}: {} of {} wrong: {:?}", wrong.len(), y.len(), &wrong[..wrong.len().min(5)]);
        if !self.sums {
            return;
        }
        let columns = self.fused.columns() as usize;
        for (column, (&a, &e)) in actual.1.iter().zip(&sums).enumerate() {
            let terms: Vec<f64> = y.iter().skip(column).step_by(columns).map(|y| f64::from(y.widen())).collect();
            let total: f64 = terms.iter().map(|term| term.abs()).sum();
            let own: f64 = if exact {
                0.0
            } else {
                self.source
                    .iter()
                    .skip(column)
                    .step_by(columns)
                    .map(|g| f64::from(g.widen()).abs() * scale * 3e-6)
                    .sum()
            };
            let bound = (terms.len() as f64 + 8.0) * 2_f64.powi(-24) * total * (1.0 + unit) + own + 1e-12;
            let same = a.is_nan() && e.is_nan() || a == e || f64::from(a - e).abs() <= bound;
            assert!(same, "{what}: column {column}: {a}, not {e}, bound {bound}");
        }
    }
}

fn contexts() -> Vec<(String, Context)> {
    let mut contexts = vec![];
    for subject in subjects() {
        for &schedule in Schedule::ALL {
            for tiny in [false, true] {
                let (device, queue) = device(subject, |descriptor| {
                    if tiny {
                        descriptor.required_limits.max_storage_buffer_binding_size = 131_072;
                        descriptor.required_limits.max_compute_workgroups_per_dimension = 3;
                    }
                });
                let options = Options::default().with_workgroup_size(32).with_immediates(!tiny).with_schedule(schedule);
                let context = Context::with_options(device, queue, options).unwrap();
                contexts.push((format!("{} {schedule:?}, tiny limits: {tiny}", subject.name), context));
            }
        }
    }
    contexts
}

fn compare<T: Element>(random: &mut Random, name: &str, context: &Context, number: usize) {
    let case = Case::<T>::random(random);
    let what = format!(
        "case {number} on {name}: {:?}, backward {}, {} elements of {}, other {}, bias {}, sums {}",
        case.fused,
        case.backward,
        case.source.len(),
        T::DTYPE,
        case.other.is_some(),
        case.bias.is_some(),
        case.sums,
    );
    let actual = case.run(|pass| context.run_pass_blocking(pass)).unwrap_or_else(|error| panic!("{what}: {error}"));
    case.check(actual, &what);
}

#[test]
fn random_passes() {
    let mut random = Random(std::env::var("FUSED_SEED").map_or(1, |seed| seed.parse().unwrap()));
    for (name, context) in contexts() {
        for number in 0..16 {
            match number % 4 {
                0 | 1 => compare::<f32>(&mut random, &name, &context, number),
                2 => compare::<f16>(&mut random, &name, &context, number),
                _ => compare::<bf16>(&mut random, &name, &context, number),
            }
        }
    }
}

/// What the formulas give of infinities, NaN and the largest numbers, on the CPU and on every device: minus infinity times the 0
/// that everything else is there is NaN, and so is every derivative of an infinity.
#[test]
fn activations_of_extremes() {
    let x = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN, -f32::NAN, f32::MIN, f32::MAX, -1e30, 1e30];
    let ones = [1.0_f32; 8];
    let mask = Dropout::new(0.0).unwrap().mask(Key::new(1));
    for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
        let fused = Fused::new(mask, 8).unwrap().with_activation(activation);
        let check = |name: &str, run: &dyn Fn(Pass<Slice<'_>>) -> Result<(), Error>| {
            let (mut y, mut dx) = ([7.0_f32; 8], [7.0_f32; 8]);
            run(fused.forward(&x[..], &mut y[..])).unwrap();
            run(fused.backward(&ones[..], &mut dx[..]).with_input(&x[..])).unwrap();
            let what = format!("{activation} on {name}: {y:?}, {dx:?}");
            assert!(y[0].is_nan() && y[1] == f32::INFINITY && y[2].is_nan() && y[3].is_nan(), "{what}");
            assert_eq!(y[4..], [0.0, f32::MAX, 0.0, 1e30], "{what}");
            assert!(dx[..4].iter().all(|dx| dx.is_nan()), "{what}");
            assert_eq!(dx[4..], [0.0, 1.0, 0.0, 1.0], "{what}");
        };
        check("the CPU", &|pass| reference::run_pass(pass));
        for subject in subjects() {
            check(&subject.name, &|pass| subject.context.run_pass_blocking(pass));
        }
    }
}

/// A device whose bindings hold fewer rows than are summed at a time: sums go on from those of the chunk before, both of rows
/// and of sums.
#[test]
fn sums_go_on_from_chunk_to_chunk() {
    const COLUMNS: usize = 100;
    const ROWS: usize = 403;
    let mut random = Random(3);
    for subject in subjects() {
        let (device, queue) = device(subject, |descriptor| {
            descriptor.required_limits.max_storage_buffer_binding_size = 2048;
        });
        let context = Context::from_device(device, queue).unwrap();
        let mask = Dropout::new(0.3).unwrap().mask(Key::new(5)).at(17);
        let fused = Fused::new(mask, COLUMNS as u64).unwrap();
        let dy: Vec<f32> = (0..ROWS * COLUMNS).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect();
        let run = |run: &dyn Fn(Pass<Slice<'_>>) -> Result<(), Error>| {
            let (mut dx, mut sums) = (vec![0.0_f32; dy.len()], vec![0.0_f32; COLUMNS]);
            run(fused.backward(&dy, &mut dx).with_bias_gradient(&mut sums)).unwrap();
            (dx, sums)
        };
        let (dx, sums) = run(&|pass| context.run_pass_blocking(pass));
        let (expected, expected_sums) = run(&|pass| reference::run_pass(pass));
        assert_eq!(dx, expected, "{}", subject.name);
        for (column, (sum, expected_sum)) in sums.iter().zip(&expected_sums).enumerate() {
            let all: f64 = expected[column..].iter().step_by(COLUMNS).map(|x| f64::from(x.abs())).sum();
            let bound = (ROWS + 8) as f64 / f64::from(1 << 24) * all;
            let difference = (f64::from(*sum) - f64::from(*expected_sum)).abs();
            assert!(difference <= bound, "{}, column {column}: {sum} and not {expected_sum}", subject.name);
        }
    }
}

/// Ranges of buffers that begin anywhere, in place and not, with guards around; the key among the parameters and in a buffer.
#[test]
fn ranges_of_buffers() {
    let mut random = Random(7);
    for subject in subjects() {
        let context = &subject.context;
        for number in 0..24 {
            let case = Case::<f16>::random(&mut random);
            let n = case.source.len();
            let mut halves = vec![0x5555_u16; 5 * (n + 64)];
            let mut at = 0;
            let mut place = |data: Option<&[f16]>, length: usize, random: &mut Random| {
                let start = at + 2 + random.below(9) as usize;
                at = (start + length + 3).next_multiple_of(2);
                if let Some(data) = data {
                    halves[start..][..length].copy_from_slice(bytemuck::cast_slice(data));
                }
                (2 * start as u64, 2 * length as u64)
            };
            let source = place(Some(&case.source), n, &mut random);
            let in_place = random.flip();
            let output = if in_place { source } else { place(None, n, &mut random) };
            let other = case.other.as_ref().map(|other| place(Some(other), n, &mut random));
            let columns = case.fused.columns() as usize;
            let bias = case.bias.as_ref().map(|bias| place(Some(bias), columns, &mut random));
            let before = halves.clone();
            let words: Vec<u32> = bytemuck::pod_collect_to_vec(&halves);
            let data = buffer(context, &words);
            let ids = case.ids.as_ref().map(|ids| buffer(context, ids));
            let range = |(offset, size)| BufferRange::new(&data, offset, size).with_dtype(Dtype::F16);
            let others = [other.map(range), bias.map(range), ids.as_ref().map(BufferRange::from), None];
            let pass: Pass<BufferRange<'_>> = case.pass(range(source), range(output), others);
            let what = format!("{number} on {}, in place: {in_place}: {:?}", subject.name, case.fused);
            if random.flip() {
                let mask = case.fused.mask();
                let key_buffer = buffer(context, bytemuck::cast_slice(&mask.key().to_bytes()));
                let key = context.bind_key(&key_buffer).unwrap();
                context.submit_pass(pass.keyed_by(&key)).unwrap_or_else(|error| panic!("{what}: {error}"));
            } else {
                context.submit_pass(pass).unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            let [after] = read(context, [&data]);
            let after: Vec<u16> = bytemuck::cast_slice(&after)[..before.len()].to_vec();
            let (first, end) = ((output.0 / 2) as usize, (output.0 / 2) as usize + n);
            assert!(after[..first] == before[..first] && after[end..] == before[end..], "{what}: guards");
            let y: Vec<f16> = after[first..end].iter().map(|&bits| f16::from_bits(bits)).collect();
            let case = Case { sums: false, ..case };
            case.check((y, vec![]), &what);
        }
    }
}

/// What does not go together is an error that says so.
#[test]
fn errors() {
    let mask = Dropout::new(0.5).unwrap().mask(Key::new(1));
    let text = |result: Result<Fused, Error>| result.unwrap_err().to_string();
    assert!(text(Fused::new(Dropout::standard(0.5).unwrap().mask(Key::new(1)), 4)).contains("inverted"));
    assert!(text(Fused::new(mask, 0)).contains("at least one"));
    let fused = Fused::new(mask, 4).unwrap();
    assert!(text(fused.with_row_keep(Dropout::new(0.1).unwrap().mask(Key::new(1)))).contains("key"));
    let philox = Dropout::new(0.1).unwrap().with_generator(Generator::Philox).mask(Key::new(2));
    assert!(text(fused.with_row_keep(philox)).contains("generator"));
    let rows = Dropout::new(0.1).unwrap().mask(Key::new(2));
    assert!(text(fused.with_row_keep(rows.at(View::rows(0, 3, 5)))).contains("strides"));

    let context = &subjects()[0].context;
    let (x, mut y) = ([1.0_f32; 8], [0.0_f32; 8]);
    #[allow(clippy::type_complexity, reason = "a closure over slices")]
    let mut refused = |part: &str, make: &dyn for<'a> Fn(&'a [f32], &'a mut [f32]) -> Pass<Slice<'a>>| {
        for error in [context.run_pass_blocking(make(&x, &mut y)), reference::run_pass(make(&x, &mut y))] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(y, [0.0; 8]);
    };
    refused("whole rows", &|x, y| Fused::new(fused.mask(), 3).unwrap().forward(x, y));
    refused("each column", &|x, y| fused.forward(x, y).with_bias(x));
    refused("as many", &|x, y| fused.forward(&x[..4], y));
    refused("as many", &|x, y| fused.forward(x, y).with_residual(&x[..4]));
    refused("with_input", &|x, y| fused.with_activation(Activation::Relu).backward(x, y));
    refused("residual", &|x, y| fused.backward(x, y).with_residual(x));
    refused("past the last index", &|x, y| Fused::new(fused.mask().at(u64::MAX - 3), 4).unwrap().forward(x, y));
}
