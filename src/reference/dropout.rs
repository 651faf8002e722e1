//! Inverted dropout and its mask.

use super::keep_rule::{KEEP_DOMAIN, halves, random_block};
use crate::{Error, Mask};

/// `y = keep ? x·scale : +0`. In evaluation, and for p = 0, the bits are copied unchanged.
///
/// # Errors
/// [`Error::IndexRange`] when the elements lie past the generator's range.
pub fn forward(mask: &Mask, x: &[f32]) -> Result<Vec<f32>, Error> {
    mask.check_length(x.len() as u64)?;
    if mask.keeps_all() {
        return Ok(x.to_vec());
    }
    let scale = mask.scale();
    let mut y = Vec::with_capacity(x.len());
    for_each_decision(mask, x.len() as u64, |local, keep| {
        y.push(if keep { x[local as usize] * scale } else { 0.0 });
    });
    Ok(y)
}

/// `dx = keep ? dy·scale : +0`, with the mask regenerated from the key: the same pass as [`forward`].
///
/// # Errors
/// As [`forward`].
pub fn backward(mask: &Mask, dy: &[f32]) -> Result<Vec<f32>, Error> {
    forward(mask, dy)
}

/// The packed mask of `length` elements: element j is bit `j & 31` of word `j >> 5`, 1 = kept, unused bits 0.
///
/// # Errors
/// As [`forward`].
pub fn keep_mask(mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
    mask.check_length(length)?;
    let mut words = vec![0; length.div_ceil(32) as usize];
    for_each_decision(mask, length, |local, keep| words[(local >> 5) as usize] |= u32::from(keep) << (local & 31));
    Ok(words)
}

/// Calls `decide(local, keep)` for each element in order.
///
/// The decisions are those of [`keeps`](super::keeps), made a group of eight at a time, because one generator call
/// serves eight elements, and with the second part only where the first leaves the decision open.
fn for_each_decision(mask: &Mask, length: u64, mut decide: impl FnMut(u64, bool)) {
    let block = |group, part| halves(random_block(mask.generator(), mask.key(), group, part, KEEP_DOMAIN));
    let (high, low) = (mask.threshold() >> 16, mask.threshold() & 0xffff);
    let mut local = 0;
    while local < length {
        let index = mask.start() + local;
        let group = index >> 3;
        let first = block(group, 0);
        let lanes = (index & 7)..8.min((index & 7) + (length - local));
        for lane in lanes {
            let half = u64::from(first[lane as usize]);
            let keep = half < high || half == high && u64::from(block(group, 1)[lane as usize]) < low;
            decide(local, keep);
            local += 1;
        }
    }
}
