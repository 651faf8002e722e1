//! Inverted dropout and its mask.

use super::keep_rule::{KEEP_DOMAIN, halves, random_block};
use crate::{Element, Error, Mask, MaskFormat};

/// `y = keep ? x·scale : +0`. In evaluation, and for p = 0, the bits are copied unchanged.
///
/// Computed in f32; 16-bit elements are rounded to nearest even once.
///
/// # Errors
/// [`Error::IndexRange`] when the elements lie past the generator's range, [`Error::View`], [`Error::OutOfMemory`] when the
/// host has no room for the result.
pub fn forward<T: Element>(mask: &Mask, x: &[T]) -> Result<Vec<T>, Error> {
    mask.check_length(x.len() as u64)?;
    if mask.keeps_all() {
        return Ok(x.to_vec());
    }
    let scale = mask.scale();
    let mut y = reserve(x.len() as u64)?;
    for_each_decision(mask, x.len() as u64, |local, keep| {
        y.push(scale_or_drop(keep, scale, x[local as usize]));
    });
    Ok(y)
}

fn scale_or_drop<T: Element>(keep: bool, scale: f32, x: T) -> T {
    T::narrow(if keep { x.widen() * scale } else { 0.0 })
}

/// `dx = keep ? dy·scale : +0`, with the mask regenerated from the key: the same pass as [`forward`].
///
/// # Errors
/// As [`forward`].
pub fn backward<T: Element>(mask: &Mask, dy: &[T]) -> Result<Vec<T>, Error> {
    forward(mask, dy)
}

/// The packed mask of `length` elements: element j is bit `j & 31` of word `j >> 5`, 1 = kept, unused bits 0.
///
/// # Errors
/// As [`forward`].
pub fn keep_mask(mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
    mask.check_length(length)?;
    let mut words: Vec<u32> = reserve(length.div_ceil(32))?;
    words.resize(length.div_ceil(32) as usize, 0);
    for_each_decision(mask, length, |local, keep| words[(local >> 5) as usize] |= u32::from(keep) << (local & 31));
    Ok(words)
}

/// `y = keep ? x·scale : +0` with a packed mask of the caller, as [`keep_mask`] returns one.
///
/// # Errors
/// [`Error::Size`] unless the mask has `⌈x.len()/32⌉` words.
pub fn apply_mask<T: Element>(mask: &[u32], scale: f32, x: &[T]) -> Result<Vec<T>, Error> {
    check_mask_words(mask, x.len())?;
    let keep = |j: usize| mask[j >> 5] >> (j & 31) & 1 == 1;
    Ok(x.iter().enumerate().map(|(j, &x)| scale_or_drop(keep(j), scale, x)).collect())
}

/// Room on the host for a result, or an error instead of the abort that a vector would make of it.
pub(crate) fn reserve<T>(length: u64) -> Result<Vec<T>, Error> {
    let mut vec = Vec::new();
    let reserved = usize::try_from(length).ok().and_then(|length| vec.try_reserve_exact(length).ok());
    reserved.map(|()| vec).ok_or(Error::OutOfMemory { what: "result on the host" })
}

/// Checks that a packed mask is one of `length` elements.
pub(crate) fn check_mask_words(mask: &[u32], length: usize) -> Result<(), Error> {
    if mask.len() != length.div_ceil(32) {
        return Err(Error::Size { role: "mask", size: size_of_val(mask) as u64, remedy: MaskFormat::REMEDY });
    }
    Ok(())
}

/// Calls `decide(local, keep)` for each element in order.
///
/// The decisions are those of [`keeps`](super::keeps), made a group of eight at a time, because one generator call
/// serves eight elements, and with the second part only where the first leaves the decision open.
fn for_each_decision(mask: &Mask, length: u64, mut decide: impl FnMut(u64, bool)) {
    let block = |group, part| halves(random_block(mask.generator(), mask.key(), group, part, KEEP_DOMAIN));
    let (high, low) = (mask.threshold() >> 16, mask.threshold() & 0xffff);
    let mut current = None;
    for local in 0..length {
        let index = mask.view().index(local);
        let (group, lane) = (index >> 3, (index & 7) as usize);
        let first = match current {
            Some((known, first)) if known == group => first,
            _ => block(group, 0),
        };
        current = Some((group, first));
        let half = u64::from(first[lane]);
        decide(local, half < high || half == high && u64::from(block(group, 1)[lane]) < low);
    }
}
