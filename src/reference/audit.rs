//! Audits by the CPU reference.

use super::{apply_mask, backward, forward, keep_mask};
use crate::{
    Audit, Element, Error, Operation,
    audit::{Bits, Candidate, Counts, Search},
};

/// Whether `y` is what a forward or backward pass makes of `x`, the first element that is not, and what would explain it:
/// a neighbouring step, layer, sample or start, the other generator, the probability to keep for that to drop, evaluation,
/// what is kept not scaled.
///
/// An element is right where docs/keep-rule.md lets a device return it: bit-equal, but that a kept NaN gives some NaN and
/// a kept subnormal of f32 or bf16 a zero of its sign. What is copied, for p = 0 and in evaluation, keeps its bits.
///
/// An explanation is given only where it holds for every element, and where there are so many elements that it would hardly
/// do so by chance.
///
/// ```
/// use wgpu_dropout::{Dropout, Explanation, Key, reference};
///
/// let mask = Dropout::new(0.1)?.mask(Key::new(42).with_step(1000));
/// let later = mask.with_key(mask.key().with_step(1001));
/// let x = [1.0_f32; 1000];
/// let audit = reference::audit(&mask, &x, &reference::forward(&later, &x)?)?;
/// assert_eq!(audit.explanations, [Explanation::Step { given: 1000, step: 1001 }]);
/// println!("{audit}"); // … step 1001 instead of 1000 explains every element
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`] unless `x` and `y` are equally long, [`Error::Operands`] for other operations, [`Error::IndexRange`]
/// when the elements lie past the generator's range, [`Error::View`], [`Error::OutOfMemory`].
pub fn audit<T: Element>(operation: impl Into<Operation>, x: &[T], y: &[T]) -> Result<Audit, Error> {
    /// Elements of a comparison.
    const CHUNK: u64 = 1 << 20;
    if x.len() != y.len() {
        return Err(Error::Length { input: size_of_val(x) as u64, output: size_of_val(y) as u64 });
    }
    let mut search = Search::new(operation.into(), x.len() as u64, CHUNK)?;
    while let Some(question) = search.next() {
        let part = question.first as usize..(question.first + question.count) as usize;
        let counts = compare(&question.candidate, &x[part.clone()], &y[part])?;
        search.answer(&question, &counts);
    }
    let first = search.first_mismatch().map(|(position, operation)| {
        let (x, y) = (x[position as usize], y[position as usize]);
        expected(&Candidate::Operation(operation), &[x]).map(|expected| [bits(x), bits(expected[0]), bits(y)])
    });
    Ok(search.finish(T::DTYPE, first.transpose()?))
}

fn expected<T: Element>(candidate: &Candidate, x: &[T]) -> Result<Vec<T>, Error> {
    match candidate {
        Candidate::Operation(Operation::Backward(mask)) => backward(mask, x),
        Candidate::Operation(Operation::Forward(mask)) => forward(mask, x),
        Candidate::Unscaled(mask) => apply_mask(&keep_mask(mask, x.len() as u64)?, 1.0, x),
        Candidate::Unchanged | Candidate::Operation(_) => Ok(x.to_vec()),
    }
}

fn compare<T: Element>(candidate: &Candidate, x: &[T], y: &[T]) -> Result<Counts, Error> {
    let of = Bits::of(T::DTYPE);
    let mut counts = Counts::default();
    for (i, (expected, (x, y))) in (0..).zip(expected(candidate, x)?.into_iter().zip(x.iter().zip(y))) {
        let (x, expected, y) = (bits(*x), bits(expected), bits(*y));
        if !of.is_right(candidate.copies(), x, expected, y) {
            counts.mismatches += 1;
            counts.first = counts.first.or(Some(i));
        }
        if of.tells(expected) {
            *if y == 0 { &mut counts.dropped } else { &mut counts.kept } += 1;
        }
    }
    Ok(counts)
}

fn bits<T: Element>(x: T) -> u32 {
    match *bytemuck::bytes_of(&x) {
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]),
        [a, b] => u16::from_ne_bytes([a, b]).into(),
        _ => 0,
    }
}

/// The same for elements as they lie in memory, of types whose subnormals a device may flush.
#[cfg(feature = "gpu")]
pub(crate) fn compare_bytes(dtype: crate::Dtype, candidate: &Candidate, x: &[u8], y: &[u8]) -> Result<Counts, Error> {
    use bytemuck::pod_collect_to_vec;
    match dtype {
        crate::Dtype::Bf16 => {
            compare::<Bf16>(candidate, &pod_collect_to_vec::<u8, Bf16>(x), &pod_collect_to_vec::<u8, Bf16>(y))
        }
        _ => compare::<f32>(candidate, &pod_collect_to_vec::<u8, f32>(x), &pod_collect_to_vec::<u8, f32>(y)),
    }
}

/// Without the feature `half` too.
#[cfg(feature = "gpu")]
use crate::dtype::Bf16;
