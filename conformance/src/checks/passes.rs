//! Passes around dropout: fused with what stands beside it, softmax, and products with dropped weights.

use half::{bf16, f16};
use wgpu_dropout::{
    Activation, Context, DropConnect, Dropout, Dtype, Element, Error, Fused, Generator, Key, Mask, Pass, Slice,
    SoftmaxDropout, reference,
};

use super::family::contexts;
use crate::{Outcome, Subject, Suite, cases::KEY, outcome::Stop};

/// Numbers from −8 to 8, others for each salt; few bits, so that 16 hold most of what matters.
pub(super) fn numbers<T: Element>(count: usize, salt: u32) -> Vec<T> {
    let number = |i: u32| (i + 1).wrapping_mul(0x9e37_79b1).wrapping_add(salt.wrapping_mul(0x85eb_ca6b)) >> 12;
    (0..count as u32).map(|i| T::narrow(number(i) as f32 / 65_536.0 - 8.0)).collect()
}

/// The same from −3 to 3, of which sums of products are exact.
fn integers<T: Element>(count: usize, salt: u32) -> Vec<T> {
    numbers::<f32>(count, salt).into_iter().map(|x| T::narrow((x * 0.4).round())).collect()
}

pub(super) fn widen<T: Element>(values: &[T]) -> Vec<f32> {
    values.iter().map(|x| x.widen()).collect()
}

fn zeros<T: Element>(count: usize) -> Vec<T> {
    vec![T::narrow(0.0); count]
}

/// What rounding to the type may add to a result, at most half a unit in its last place.
fn half_an_ulp(dtype: Dtype, x: f32) -> f64 {
    let x = f64::from(x).abs() * 1.01;
    match dtype {
        Dtype::F16 => x / 2048.0 + 3e-8,
        Dtype::Bf16 => x / 256.0,
        _ => 0.0,
    }
}

/// The distance of neighbouring f32, beside 1.
const ULP: f64 = 1.0 / 8_388_608.0;

/// The same bits, or both NaN.
pub(super) fn compare_bits<T: Element>(outcome: &mut Outcome, what: &str, expected: &[T], actual: &[T]) {
    for (i, (expected, actual)) in expected.iter().zip(actual).map(|(e, a)| (e.widen(), a.widen())).enumerate() {
        let same = expected.to_bits() == actual.to_bits() || expected.is_nan() && actual.is_nan();
        outcome.compare(same, || format!("{what}: element {i}: expected {expected:e}, actual {actual:e}"));
    }
}

/// As near as a bound for each element says.
pub(super) fn compare_near<T: Element>(
    outcome: &mut Outcome,
    what: &str,
    expected: &[f32],
    actual: &[T],
    bound: impl Fn(usize) -> f64,
) {
    for (i, (&expected, actual)) in expected.iter().zip(actual).enumerate() {
        let (actual, bound) = (actual.widen(), bound(i) + half_an_ulp(T::DTYPE, expected));
        let near = (f64::from(expected) - f64::from(actual)).abs() <= bound;
        outcome.compare(near || expected.is_nan() && actual.is_nan(), || {
            format!("{what}: element {i}: expected {expected:e}, actual {actual:e}, bound {bound:e}")
        });
    }
}

/// Calls a function for a type, by turns.
macro_rules! of_type_in_turn {
    ($turn:expr, $function:ident($($argument:expr),+)) => {
        match $turn % 3 {
            0 => $function::<f32>($($argument),+).await,
            1 => $function::<f16>($($argument),+).await,
            _ => $function::<bf16>($($argument),+).await,
        }
    };
}
pub(super) use of_type_in_turn;

/// Masks of both generators, from starts of every sort.
fn mask_in_turn(p: f64, turn: usize) -> Result<Mask, Error> {
    let generator = Generator::ALL[turn % Generator::ALL.len()];
    Ok(Dropout::new(p)?.with_generator(generator).mask(KEY).at([0, 5, (1 << 35) - 1027][turn % 3]))
}

/// Each activation on the ordinary device, and two of them on the others, with some of all else; split too.
fn fused_cases(subject: &Subject) -> Result<Vec<(&Context, Fused, usize)>, Error> {
    let others = contexts(subject).into_iter().skip(1).chain([subject.tiny()]);
    let curved = [Activation::Gelu, Activation::GeluTanh, Activation::Silu].into_iter().cycle();
    let of_others = others.zip(curved).flat_map(|(context, curved)| [(context, Activation::Relu), (context, curved)]);
    let all = Activation::ALL.iter().map(|&activation| (subject.context(), activation)).chain(of_others);
    let cases = all.enumerate().map(|(turn, (context, activation))| {
        let mask = mask_in_turn(0.3, turn)?;
        let mut fused = Fused::new(mask, [100, 64, 3, 1024][turn % 4])?.with_activation(activation);
        if turn % 2 == 1 {
            let rows = Key { seed: KEY.seed + 1, ..KEY };
            fused = fused.with_row_keep(Dropout::new(0.25)?.with_generator(mask.generator()).mask(rows).at(7))?;
        }
        Ok((context, fused, turn))
    });
    cases.collect()
}

fn rows_of(fused: &Fused) -> usize {
    2100_usize.div_ceil(fused.columns() as usize)
}

fn is_exact(fused: &Fused) -> bool {
    matches!(fused.activation(), Activation::None | Activation::Relu)
}

/// What a kept element is multiplied by.
fn gain(fused: &Fused) -> f64 {
    f64::from(fused.mask().scale()) * fused.row_keep().map_or(1.0, |rows| rows.scale().into())
}

/// Numbers, and where the results are exact what comparisons can take for another.
fn fused_input<T: Element>(fused: &Fused, salt: u32) -> Vec<T> {
    let mut x: Vec<T> = numbers(rows_of(fused) * fused.columns() as usize, salt);
    let special = [0.0, -0.0, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(T::narrow);
    for (x, special) in x.iter_mut().skip(3).step_by(7).zip(special.into_iter().cycle()).filter(|_| is_exact(fused)) {
        *x = special;
    }
    x
}

pub async fn fused(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (context, fused, turn) in fused_cases(subject)? {
        of_type_in_turn!(turn, fused_forward(context, outcome, &fused, turn))?;
        outcome.go_on()?;
    }
    Ok(())
}

/// Forward, with a bias and a residual or without.
fn forward_of<'a, T: Element>(
    fused: &Fused,
    x: &'a [T],
    y: &'a mut [T],
    bias: Option<&'a [T]>,
    residual: Option<&'a [T]>,
) -> Pass<Slice<'a>> {
    let mut pass = fused.forward(x, y);
    if let Some(bias) = bias {
        pass = pass.with_bias(bias);
    }
    match residual {
        Some(residual) => pass.with_residual(residual),
        None => pass,
    }
}

async fn fused_forward<T: Element>(
    context: &Context,
    outcome: &mut Outcome,
    fused: &Fused,
    turn: usize,
) -> Result<(), Stop> {
    let x: Vec<T> = fused_input(fused, 1);
    // Without a bias -0 and NaN reach the activation as they are.
    let bias: Option<Vec<T>> = (turn % 4 != 1).then(|| numbers(fused.columns() as usize, 2));
    let residual: Option<Vec<T>> = (turn % 3 < 2).then(|| numbers(x.len(), 3));
    let mut y = zeros::<T>(x.len());
    context.run_pass(forward_of(fused, &x, &mut y, bias.as_deref(), residual.as_deref())).await?;

    let what = format!("{} of {} columns, {}", fused.activation(), fused.columns(), T::DTYPE);
    if is_exact(fused) {
        let mut expected = zeros::<T>(x.len());
        reference::run_pass(forward_of(fused, &x, &mut expected, bias.as_deref(), residual.as_deref()))?;
        compare_bits(outcome, &what, &expected, &y);
        return Ok(());
    }
    // Beside what is not rounded to 16 bits.
    let [bias, residual] = [bias, residual].map(|tensor| tensor.map(|tensor| widen(&tensor)));
    let (x, mut expected) = (widen(&x), zeros::<f32>(x.len()));
    reference::run_pass(forward_of(fused, &x, &mut expected, bias.as_deref(), residual.as_deref()))?;
    let size = |i: usize| residual.as_ref().map_or(0.0, |residual| residual[i].abs()) + expected[i].abs();
    compare_near(outcome, &what, &expected, &y, |i| 6.0 * ULP * f64::from(size(i)) + 1e-6 * gain(fused));
    Ok(())
}

pub async fn fused_gradients(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (context, fused, turn) in fused_cases(subject)? {
        of_type_in_turn!(turn + 1, fused_backward(context, outcome, &fused))?;
        outcome.go_on()?;
    }
    Ok(())
}

/// The gradients of x and of the bias.
async fn fused_backward<T: Element>(context: &Context, outcome: &mut Outcome, fused: &Fused) -> Result<(), Stop> {
    let columns = fused.columns() as usize;
    let (dy, bias): (Vec<T>, Vec<T>) = (numbers(rows_of(fused) * columns, 4), numbers(columns, 5));
    // Some are what the bias takes to 0, where the slope of relu begins.
    let mut x: Vec<T> = numbers(dy.len(), 6);
    for (i, x) in x.iter_mut().enumerate().step_by(5) {
        *x = T::narrow(-bias[i % columns].widen());
    }
    let (mut dx, mut sums) = (zeros::<T>(dy.len()), zeros::<f32>(columns));
    let pass = fused.backward(&dy, &mut dx).with_bias_gradient(&mut sums).with_input(&x).with_bias(&bias);
    context.run_pass(pass).await?;

    let (dy, x, bias) = (widen(&dy), widen(&x), widen(&bias));
    let (mut expected, mut expected_sums) = (zeros::<f32>(dy.len()), zeros::<f32>(columns));
    let pass = fused.backward(&dy, &mut expected).with_bias_gradient(&mut expected_sums);
    reference::run_pass(pass.with_input(&x).with_bias(&bias))?;
    let what = format!("gradient of {} of {columns} columns, {}", fused.activation(), T::DTYPE);
    // What the slope may be off by.
    let off = |i: usize| if is_exact(fused) { 0.0 } else { 1e-6 * gain(fused) * f64::from(dy[i].abs()) };
    let size = |i: usize| f64::from(expected[i].abs());
    let bound = |i| off(i) + if is_exact(fused) { 0.0 } else { 6.0 * ULP * size(i) };
    compare_near(outcome, &what, &expected, &dx, bound);
    let column = |column| (column..dy.len()).step_by(columns);
    compare_near(outcome, &format!("{what}, sums"), &expected_sums, &sums, |i| {
        let rows = rows_of(fused) as f64;
        column(i).map(|i| (rows + 8.0) * ULP / 2.0 * size(i) + bound(i)).sum()
    });
    Ok(())
}

/// Rows to one invocation and to many, which begin at a multiple of 32 decisions and elsewhere, causal and not. Drivers that
/// compile for processors take seconds for each of these kernels: one by those of other devices.
fn softmax_cases(subject: &Subject) -> Result<Vec<(&Context, SoftmaxDropout, usize)>, Error> {
    let others = contexts(subject).into_iter().skip(1);
    let all = [subject.context(); 3].into_iter().chain(others);
    let cases = all.enumerate().map(|(turn, context)| {
        let [queries, keys] = [[6, 7], [600, 64], [3, 1000], [5, 33], [6, 2]][turn % 5];
        let softmax = SoftmaxDropout::new(mask_in_turn(0.3, turn)?, queries, keys)?;
        let factor = [0.5, 0.125, -0.3, 1.0, 0.25][turn % 5];
        Ok((context, softmax.with_factor(factor).with_causal(turn % 4 != 1), turn))
    });
    cases.collect()
}

fn softmax_name(softmax: &SoftmaxDropout, dtype: Dtype) -> String {
    let (queries, keys) = (softmax.queries(), softmax.keys());
    format!("{queries} queries, {keys} keys, factor {}, causal {}, {dtype}", softmax.factor(), softmax.causal())
}

/// Two matrices, of which one row is nothing but minus infinities.
fn scores<T: Element>(softmax: &SoftmaxDropout) -> Vec<T> {
    let (queries, keys) = (softmax.queries() as usize, softmax.keys() as usize);
    let mut x: Vec<T> = numbers(2 * queries * keys, 7);
    let none = if softmax.factor() < 0.0 { f32::INFINITY } else { f32::NEG_INFINITY };
    x[(queries + 1) * keys..][..keys].fill(T::narrow(none));
    x
}

pub async fn softmax(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (context, softmax, turn) in softmax_cases(subject)? {
        of_type_in_turn!(turn, softmax_forward(context, outcome, softmax))?;
        outcome.go_on()?;
    }
    Ok(())
}

async fn softmax_forward<T: Element>(
    context: &Context,
    outcome: &mut Outcome,
    softmax: SoftmaxDropout,
) -> Result<(), Stop> {
    let x: Vec<T> = scores(&softmax);
    let (mut y, mut expected) = (zeros::<T>(x.len()), zeros::<f32>(x.len()));
    context.run_pass(softmax.forward(&x, &mut y)).await?;
    reference::run_pass(softmax.forward(&widen(&x), &mut expected))?;
    let scale = f64::from(softmax.mask().scale());
    let bound = |i: usize| (2e-6 + ULP) * f64::from(expected[i]) + 1e-7 * scale;
    let what = softmax_name(&softmax, T::DTYPE);
    compare_near(outcome, &what, &expected, &y, bound);
    // What is dropped or not seen is +0, and not only near to it.
    let zeros = |(i, _): &(usize, &f32)| expected[*i].to_bits() == 0;
    let of_zeros: Vec<_> = widen(&y).iter().enumerate().filter(zeros).map(|(_, &y)| y).collect();
    compare_bits(outcome, &format!("zeros, {what}"), &vec![0.0; of_zeros.len()], &of_zeros);
    Ok(())
}

pub async fn softmax_gradients(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (context, softmax, turn) in softmax_cases(subject)?.into_iter().step_by(2) {
        of_type_in_turn!(turn + 1, softmax_backward(context, outcome, softmax))?;
        outcome.go_on()?;
    }
    Ok(())
}

async fn softmax_backward<T: Element>(
    context: &Context,
    outcome: &mut Outcome,
    softmax: SoftmaxDropout,
) -> Result<(), Stop> {
    let x: Vec<T> = scores(&softmax);
    let dy: Vec<T> = numbers(x.len(), 8);
    let mut dx = zeros::<T>(x.len());
    context.run_pass(softmax.backward(&x, &dy, &mut dx)).await?;

    let (x, dy) = (widen(&x), widen(&dy));
    let (mut expected, mut p) = (zeros::<f32>(x.len()), zeros::<f32>(x.len()));
    reference::run_pass(softmax.backward(&x, &dy, &mut expected))?;
    let all = SoftmaxDropout::new(Dropout::new(0.0)?.mask(KEY), softmax.queries(), softmax.keys())?;
    let all = all.with_factor(softmax.factor()).with_causal(softmax.causal());
    reference::run_pass(all.forward(&x, &mut p))?;
    // What the softmax may be off by, times gradients of up to 8, of which two are subtracted.
    let most = 8.0 * f64::from(softmax.mask().scale()) * f64::from(softmax.factor().abs());
    let bound = |i: usize| most * (6e-6 * f64::from(p[i]) + 2e-7);
    compare_near(outcome, &format!("gradient, {}", softmax_name(&softmax, T::DTYPE)), &expected, &dx, bound);
    Ok(())
}

/// `DropConnect`: the product, both gradients, the moments and samples with these. Exact for small integers at p = 0.5.
pub async fn products(_: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    for (number, context) in contexts(subject).into_iter().chain([subject.tiny()]).enumerate() {
        let cases = [([5, 9, 64], 0.5, false), ([7, 12, 33], 0.3, false), ([4, 10, 40], 0.5, true)];
        // Making kernels takes the most time: of those of other devices, one each.
        let some = if number == 0 { 0..3 } else { number % 3..number % 3 + 1 };
        for turn in some {
            let ([batch, outputs, inputs], p, one) = cases[turn];
            let of = DropConnect::new(mask_in_turn(p, turn)?, batch, outputs, inputs)?.with_mask_per_batch(one);
            of_type_in_turn!(number + turn, product(context, outcome, of, p == 0.5))?;
            of_type_in_turn!(number + turn, moments(context, outcome, of))?;
            outcome.go_on()?;
        }
    }
    Ok(())
}

fn product_name(of: &DropConnect, dtype: Dtype) -> String {
    format!("{} examples, {} outputs, {} inputs, {dtype}", of.batch(), of.outputs(), of.inputs())
}

/// A sum's bound, where this is the sum of its terms' magnitudes.
fn bound_of_sum(terms: u64, magnitudes: f32) -> f64 {
    (terms + 8) as f64 * ULP / 2.0 * f64::from(magnitudes)
}

async fn product<T: Element>(
    context: &Context,
    outcome: &mut Outcome,
    of: DropConnect,
    is_exact: bool,
) -> Result<(), Stop> {
    let [batch, outputs, inputs] = [of.batch(), of.outputs(), of.inputs()].map(|n| n as usize);
    let elements = |count, salt| if is_exact { integers(count, salt) } else { numbers::<T>(count, salt) };
    let (w, x, dy) = (elements(outputs * inputs, 9), elements(batch * inputs, 10), elements(batch * outputs, 11));
    let (mut y, mut dx, mut dw) = (zeros::<T>(dy.len()), zeros::<T>(x.len()), zeros::<T>(w.len()));
    context.run_pass(of.forward(&w, &x, &mut y)).await?;
    context.run_pass(of.backward_input(&w, &dy, &mut dx)).await?;
    context.run_pass(of.backward_weights(&x, &dy, &mut dw)).await?;

    // Of the numbers, and of their magnitudes.
    let run = |w: &[f32], x: &[f32], dy: &[f32]| -> Result<[Vec<f32>; 3], Error> {
        let (mut y, mut dx, mut dw) = (zeros::<f32>(dy.len()), zeros::<f32>(x.len()), zeros::<f32>(w.len()));
        reference::run_pass(of.forward(w, x, &mut y))?;
        reference::run_pass(of.backward_input(w, dy, &mut dx))?;
        reference::run_pass(of.backward_weights(x, dy, &mut dw))?;
        Ok([y, dx, dw])
    };
    let [w, x, dy] = [widen(&w), widen(&x), widen(&dy)];
    let expected = run(&w, &x, &dy)?;
    let absolute = |values: &[f32]| values.iter().map(|x| x.abs()).collect::<Vec<_>>();
    let magnitudes = run(&absolute(&w), &absolute(&x), &absolute(&dy))?;
    let terms = [of.inputs(), of.outputs(), of.batch()];
    for (part, actual) in [y, dx, dw].iter().enumerate() {
        let name = ["the product", "the input's gradient", "the weights' gradient"][part];
        let what = format!("{name}, {}", product_name(&of, T::DTYPE));
        let bound = |i: usize| if is_exact { 0.0 } else { bound_of_sum(terms[part], magnitudes[part][i]) };
        compare_near(outcome, &what, &expected[part], actual, bound);
    }
    Ok(())
}

async fn moments<T: Element>(context: &Context, outcome: &mut Outcome, of: DropConnect) -> Result<(), Stop> {
    let [batch, outputs, inputs] = [of.batch(), of.outputs(), of.inputs()].map(|n| n as usize);
    let (w, x): (Vec<T>, Vec<T>) = (numbers(outputs * inputs, 12), numbers(batch * inputs, 13));
    let (mut mean, mut variance) = (zeros::<T>(batch * outputs), zeros::<T>(batch * outputs));
    context.run_pass(of.moments(&w, &x, &mut mean, &mut variance)).await?;
    let (w, x) = (widen(&w), widen(&x));
    let run = |w: &[f32], x: &[f32]| -> Result<[Vec<f32>; 2], Error> {
        let (mut mean, mut variance) = (zeros(batch * outputs), zeros(batch * outputs));
        reference::run_pass(of.moments(w, x, &mut mean, &mut variance))?;
        Ok([mean, variance])
    };
    let absolute = |values: &[f32]| values.iter().map(|x| x.abs()).collect::<Vec<_>>();
    let (expected, magnitudes) = (run(&w, &x)?, run(&absolute(&w), &absolute(&x))?);
    let name = product_name(&of, T::DTYPE);
    for (part, actual) in [&mean, &variance].into_iter().enumerate() {
        let what = format!("{}, {name}", ["mean", "variance"][part]);
        compare_near(outcome, &what, &expected[part], actual, |i| bound_of_sum(of.inputs(), magnitudes[part][i]));
    }

    let (first, count) = (65_500, 5);
    let (mut samples, mut expected) = (zeros::<T>(5 * batch * outputs), zeros(5 * batch * outputs));
    context.run_pass(of.samples(&mean, &variance, &mut samples, first, count)).await?;
    let (mean, variance) = (widen(&mean), widen(&variance));
    reference::run_pass(of.samples(&mean, &variance, &mut expected, first, count))?;
    compare_near(outcome, &format!("samples, {name}"), &expected, &samples, |i| {
        let i = i % mean.len();
        // No normal is larger.
        bound_of_sum(0, mean[i].abs() + 6.34 * variance[i].sqrt())
    });
    Ok(())
}
