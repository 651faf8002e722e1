//! Published answers of the passes whose results have the same bits everywhere.

use half::{bf16, f16};
use wgpu_dropout::{Context, Dtype, Element};

use super::passes::compare_bits;
use crate::{
    Outcome, Subject, Suite,
    elements::typed,
    outcome::Stop,
    vectors::{FusedAnswer, ProductAnswer, SamplesAnswer},
};

/// Calls a function for a type.
macro_rules! of_type {
    ($dtype:expr, $function:ident($($argument:expr),+)) => {
        match $dtype {
            Dtype::F32 => $function::<f32>($($argument),+).await,
            Dtype::F16 => $function::<f16>($($argument),+).await,
            _ => $function::<bf16>($($argument),+).await,
        }
    };
}

pub async fn known_passes(suite: &Suite, subject: &Subject, outcome: &mut Outcome) -> Result<(), Stop> {
    let context = subject.context();
    for known in &suite.vectors.fused {
        of_type!(known.dtype, fused(context, outcome, known))?;
        outcome.go_on()?;
    }
    for known in &suite.vectors.samples {
        of_type!(known.dtype, samples(context, outcome, known))?;
        outcome.go_on()?;
    }
    for known in &suite.vectors.products {
        product(context, outcome, known).await?;
        outcome.go_on()?;
    }
    Ok(())
}

async fn fused<T: Element>(context: &Context, outcome: &mut Outcome, known: &FusedAnswer) -> Result<(), Stop> {
    let fused = known.fused()?;
    let [x, bias, residual, dy] =
        [&known.x, &known.bias, &known.residual, &known.dy].map(|words| typed::<T>(&words.words));
    let (mut y, mut dx) = (x.clone(), x.clone());
    context.run_pass(fused.forward(&x, &mut y).with_bias(&bias).with_residual(&residual)).await?;
    context.run_pass(fused.backward(&dy, &mut dx).with_input(&x).with_bias(&bias)).await?;
    let what = format!("{}, {}, {}", known.activation, known.dtype, known.key.generator);
    compare_bits(outcome, &format!("fused {what}"), &typed::<T>(&known.y.words), &y);
    compare_bits(outcome, &format!("gradient of fused {what}"), &typed::<T>(&known.dx.words), &dx);
    Ok(())
}

async fn samples<T: Element>(context: &Context, outcome: &mut Outcome, known: &SamplesAnswer) -> Result<(), Stop> {
    let x = typed::<T>(&known.x.words);
    let mut y = x.repeat(known.samples as usize);
    context.run_pass(known.samples()?.forward(&x, &mut y)).await?;
    let what = format!("samples from {} on, {}, {}", known.first_sample, known.dtype, known.key.generator);
    // A check that compares nothing would not be one of no samples.
    outcome.compare(y.len() == known.y.words.len(), || format!("{what}: {} elements", y.len()));
    compare_bits(outcome, &what, &typed::<T>(&known.y.words), &y);
    Ok(())
}

async fn product(context: &Context, outcome: &mut Outcome, known: &ProductAnswer) -> Result<(), Stop> {
    let of = known.product()?;
    let [w, x, dy] = [&known.w, &known.x, &known.dy].map(|words| typed::<f32>(&words.words));
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    context.run_pass(of.forward(&w, &x, &mut y)).await?;
    context.run_pass(of.backward_input(&w, &dy, &mut dx)).await?;
    context.run_pass(of.backward_weights(&x, &dy, &mut dw)).await?;
    for (name, expected, actual) in [("y", &known.y, y), ("dx", &known.dx, dx), ("dw", &known.dw, dw)] {
        // The sign of a sum that is zero is open.
        let actual: Vec<f32> = actual.into_iter().map(|sum| sum + 0.0).collect();
        let what = format!("{name} of products from {} on, {}", known.start, known.key.generator);
        compare_bits(outcome, &what, &typed::<f32>(&expected.words), &actual);
    }
    Ok(())
}
