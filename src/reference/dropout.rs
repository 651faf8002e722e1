//! Dropout of every kind, and its mask.

use super::{
    keep_rule::{KEEP_DOMAIN, halves, random_block},
    normal::normal,
};
use crate::{Element, Error, Mask, Operation, Slices, effect::Effect};

/// An operation that gives an element for each element: every one but [`Operation::KeepMask`].
///
/// Computed in f32, with a rounding after each operation; 16-bit elements are rounded to nearest even once, at the end.
///
/// # Errors
/// [`Error::Operands`] for other slices than the operation needs, [`Error::Length`], [`Error::Size`] unless a packed mask has
/// `⌈n/32⌉` words, [`Error::RowIds`], [`Error::Shape`] for another length than the mask's shape has, [`Error::View`],
/// [`Error::IndexRange`] when the elements lie past the generator's range, [`Error::NoMask`] for a selection by Gaussian noise,
/// [`Error::OutOfMemory`] when the host has no room for the result.
pub fn run<'a, T: Element>(operation: Operation, slices: impl Into<Slices<'a, T>>) -> Result<Vec<T>, Error> {
    let slices = slices.into();
    slices.check(&operation)?;
    let x = slices.input;
    let mut y = reserve(x.len() as u64)?;
    let Some(effect) = operation.effect() else { unreachable!("checked: not a mask") };
    match (effect, operation.mask()) {
        (Effect::Copy, _) => y.extend_from_slice(x),
        (Effect::Drop, _) => y.resize(x.len(), T::zeroed()),
        (Effect::Multiply { scale }, _) => y.extend(x.iter().map(|&x| T::narrow(x.widen() * scale))),
        (Effect::Gaussian { sigma }, Some(mask)) => {
            for_each_index(mask, x.len() as u64, slices.row_ids, |local, index| {
                let s = sigma * normal(mask.generator(), mask.key(), index);
                let r = 1.0 + s;
                y.push(T::narrow(x[local as usize].widen() * r));
            });
        }
        (effect, mask) => {
            let mut decide = |local: u64, keep: bool| {
                let x = x[local as usize];
                y.push(match effect {
                    Effect::Scale { scale } => T::narrow(if keep { x.widen() * scale } else { 0.0 }),
                    Effect::Alpha { scale, shift, dropped } => {
                        T::narrow(if keep { (x.widen() * scale) + shift } else { dropped })
                    }
                    Effect::Other if !keep => slices.other.map_or(T::zeroed(), |other| other[local as usize]),
                    Effect::Select if !keep => T::zeroed(),
                    _ => x,
                });
            };
            match (mask, slices.packed_mask) {
                (Some(mask), _) => for_each_decision(mask, x.len() as u64, slices.row_ids, decide),
                (None, words) => {
                    let words = words.unwrap_or_default();
                    (0..x.len()).for_each(|j| decide(j as u64, words[j >> 5] >> (j & 31) & 1 == 1));
                }
            }
        }
    }
    Ok(y)
}

/// Dropout of x: [`Operation::Forward`]. For inverted dropout `y = keep ? x·scale : +0`; in evaluation, and for p = 0, the bits
/// are copied unchanged.
///
/// # Errors
/// As [`run`].
pub fn forward<T: Element>(mask: &Mask, x: &[T]) -> Result<Vec<T>, Error> {
    run(Operation::Forward(*mask), x)
}

/// The gradient of the input from that of the output, with the mask regenerated from the key: [`Operation::Backward`].
///
/// # Errors
/// As [`run`].
pub fn backward<T: Element>(mask: &Mask, dy: &[T]) -> Result<Vec<T>, Error> {
    run(Operation::Backward(*mask), dy)
}

/// `y = keep ? x·scale : +0` with a packed mask of the caller, as [`keep_mask`] returns one: [`Operation::ApplyMask`].
///
/// # Errors
/// [`Error::Size`] unless the mask has `⌈x.len()/32⌉` words.
pub fn apply_mask<T: Element>(mask: &[u32], scale: f32, x: &[T]) -> Result<Vec<T>, Error> {
    run(Operation::ApplyMask { scale }, Slices::new(x).with_packed_mask(mask))
}

/// The packed mask of `length` elements: element j is bit `j & 31` of word `j >> 5`, 1 = kept, unused bits 0.
///
/// # Errors
/// As [`run`].
pub fn keep_mask(mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
    packed(mask, length, None)
}

/// [`keep_mask`] of a [gathered](Mask::gathered) mask, with an id for each row of its shape.
///
/// # Errors
/// As [`run`].
pub fn gathered_keep_mask(mask: &Mask, length: u64, row_ids: &[u32]) -> Result<Vec<u32>, Error> {
    packed(mask, length, Some(row_ids))
}

fn packed(mask: &Mask, length: u64, row_ids: Option<&[u32]>) -> Result<Vec<u32>, Error> {
    Operation::KeepMask(*mask).check(length, row_ids.map(|ids| ids.len() as u64))?;
    let mut words: Vec<u32> = reserve(length.div_ceil(32))?;
    words.resize(length.div_ceil(32) as usize, 0);
    for_each_decision(mask, length, row_ids, |local, keep| {
        words[(local >> 5) as usize] |= u32::from(keep) << (local & 31);
    });
    Ok(words)
}

/// Room on the host for a result, or an error instead of the abort that a vector would make of it.
pub(crate) fn reserve<T>(length: u64) -> Result<Vec<T>, Error> {
    let mut vec = Vec::new();
    let reserved = usize::try_from(length).ok().and_then(|length| vec.try_reserve_exact(length).ok());
    reserved.map(|()| vec).ok_or(Error::OutOfMemory { what: "result on the host" })
}

/// Calls `take(local, index)` for each element in order, with the index of what governs it.
fn for_each_index(mask: &Mask, length: u64, row_ids: Option<&[u32]>, mut take: impl FnMut(u64, u64)) {
    let view = mask.view();
    match row_ids {
        None => (0..length).for_each(|local| take(local, view.index(local))),
        Some(ids) => (0..length).for_each(|local| take(local, view.gathered_index(local, ids))),
    }
}

/// Calls `decide(local, keep)` for each element in order.
///
/// The decisions are those of [`keeps`](super::keeps), made a group of eight at a time, because one generator call
/// serves eight elements, and with the second part only where the first leaves the decision open.
pub(super) fn for_each_decision(mask: &Mask, length: u64, row_ids: Option<&[u32]>, mut decide: impl FnMut(u64, bool)) {
    let block = |group, part| halves(random_block(mask.generator(), mask.key(), group, part, KEEP_DOMAIN));
    let (high, low) = (mask.threshold() >> 16, mask.threshold() & 0xffff);
    let mut current = None;
    for_each_index(mask, length, row_ids, |local, index| {
        let (group, lane) = (index >> 3, (index & 7) as usize);
        let first = match current {
            Some((known, first)) if known == group => first,
            _ => block(group, 0),
        };
        current = Some((group, first));
        let half = u64::from(first[lane]);
        decide(local, half < high || half == high && u64::from(block(group, 1)[lane]) < low);
    });
}
