//! What every contestant answers to, and the check that it passes before it is timed.

use serde::Serialize;

use crate::Error;

/// The drop probability of the comparison.
pub const P: f64 = 0.1;

/// Which part of training is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Forward,
    ForwardBackward,
}

impl Part {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::ForwardBackward => "forward + backward",
        }
    }

    /// Bytes that must be moved for `n` f32 elements: each pass reads and writes them once.
    pub fn bytes(self, n: u64) -> u64 {
        match self {
            Self::Forward => n * 8,
            Self::ForwardBackward => n * 16,
        }
    }
}

/// The input of every contestant.
pub fn input(n: u64) -> Vec<f32> {
    (0..n).map(|i| (i % 1000) as f32 + 1.0).collect()
}

/// A library's dropout of one size, on its own device, fed with [`input`] and, backward, with a gradient of ones.
pub trait Subject {
    /// The library, its version and which of its functions.
    fn library(&self) -> String;

    /// Which part of training a call is.
    fn part(&self) -> Part;

    /// The random generator behind the mask.
    fn generator(&self) -> &'static str;

    /// Hands one call over to the device, with a mask of its own. Outputs are kept until [`release`](Self::release),
    /// so that a lazy library cannot skip them.
    fn call(&mut self) -> Result<(), Error>;

    /// Waits until everything is done, in the library's own way.
    fn sync(&mut self) -> Result<(), Error>;

    /// Lets go of the outputs.
    fn release(&mut self);

    /// The output of the last call and, for backward, the gradient of the input.
    fn outputs(&mut self) -> Result<(Vec<f32>, Option<Vec<f32>>), Error>;

    /// The name in reports.
    fn op(&self) -> String {
        format!("{} {}", self.library(), self.part().name())
    }
}

/// The measured mask rate of a contestant.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    pub op: String,
    pub n: u64,
    /// Share of the elements that were dropped.
    pub dropped: f64,
    /// Distance from the binomial mean in standard deviations.
    pub sigmas: f64,
}

/// Makes one call, and checks every element: either zero, or scaled by 1/(1 − p); the gradient with the same mask; and
/// the number of dropped elements within 5 standard deviations of the binomial distribution.
pub fn check(subject: &mut dyn Subject, n: u64) -> Result<Rate, Error> {
    let op = subject.op();
    let wrong = |what: String| Error::Wrong { op: op.clone(), n, what };
    subject.call()?;
    subject.sync()?;
    let (output, gradient) = subject.outputs()?;
    subject.release();
    if output.len() as u64 != n || gradient.as_ref().is_some_and(|gradient| gradient.len() as u64 != n) {
        return Err(wrong("another length than the input".into()));
    }
    let scale = (1.0 / (1.0 - P)) as f32;
    let near = |actual: f32, expected: f32| (actual / expected - 1.0).abs() < 1e-5;
    for (i, (&x, &y)) in input(n).iter().zip(&output).enumerate() {
        if y != 0.0 && !near(y, x * scale) {
            return Err(wrong(format!("element {i} is {y}, neither 0 nor {}", x * scale)));
        }
        if let Some(gradient) = &gradient {
            let (dx, expected) = (gradient[i], if y == 0.0 { 0.0 } else { scale });
            if dx != expected && !near(dx, expected) {
                return Err(wrong(format!("the gradient of element {i} is {dx}, expected {expected}")));
            }
        }
    }
    let dropped = output.iter().filter(|&&y| y == 0.0).count() as f64;
    let count = n as f64;
    let sigmas = (dropped - count * P) / (count * P * (1.0 - P)).sqrt();
    if sigmas.abs() > 5.0 {
        return Err(wrong(format!("{dropped} elements are dropped, {sigmas:.1} standard deviations off p = {P}")));
    }
    Ok(Rate { op, n, dropped: dropped / count, sigmas })
}
