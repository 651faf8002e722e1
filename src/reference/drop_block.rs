//! `DropBlock` and its mask.

use super::{dropout::reserve, keeps};
use crate::{BlockMask, BlockScaling, Element, Error, MaskFormat};

/// `y = keep ? x·scale : +0`, with the scale that [`drop_block_scale`] returns; where it is none, or everything is
/// kept, the bits of what is kept stay. The backward pass is the same, with the gradient for x.
///
/// Computed in f32; 16-bit elements are rounded to nearest even once.
///
/// # Errors
/// [`Error::Size`] unless there are as many elements as the mask has, [`Error::OutOfMemory`] when the host has no room
/// for the result, and those of [`drop_block_scale`].
pub fn drop_block<T: Element>(mask: &BlockMask, x: &[T]) -> Result<Vec<T>, Error> {
    if x.len() as u64 != mask.elements() {
        let remedy = "it must have as many elements as the shape of the block mask";
        return Err(Error::Size { role: "input", size: size_of_val(x) as u64, remedy });
    }
    let keep = drop_block_mask(mask)?;
    let scale = scale_of(mask, &keep)?;
    let kept = |x: T| match scale {
        Some(scale) if !mask.keeps_all() => T::narrow(x.widen() * scale),
        _ => x,
    };
    let mut y = reserve(x.len() as u64)?;
    y.extend((0..).zip(x).map(|(j, &x)| if is_kept(&keep, j) { kept(x) } else { T::narrow(0.0) }));
    Ok(y)
}

/// The packed mask: element j of the planes is bit `j & 31` of word `j >> 5`, 1 = kept, unused bits 0.
///
/// # Errors
/// [`Error::OutOfMemory`] when the host has no room for it.
pub fn drop_block_mask(mask: &BlockMask) -> Result<Vec<u32>, Error> {
    let mut words: Vec<u32> = reserve(MaskFormat::Bits.size(mask.elements()) / 4)?;
    for word in 0..mask.elements().div_ceil(32) {
        let used = (mask.elements() - word * 32).min(32) as u32;
        words.push(if mask.drops_all() { 0 } else { u32::MAX >> (32 - used) });
    }
    if mask.keeps_all() || mask.drops_all() {
        return Ok(words);
    }
    let ([depth, height, width], [block_depth, block_height, block_width]) = (mask.size(), mask.block());
    let [seed_depth, seed_height, seed_width] = mask.seed_size();
    for plane in 0..mask.plane_count() {
        let seeds = mask.seeds(mask.plane_start(plane))?;
        let mut seed = 0;
        for (z, y) in (0..seed_depth).flat_map(|z| (0..seed_height).map(move |y| (z, y))) {
            for x in 0..seed_width {
                if !keeps(&seeds, seed) {
                    // It fires: the block that begins here is dropped.
                    for (z, y) in (z..z + block_depth).flat_map(|z| (y..y + block_height).map(move |y| (z, y))) {
                        let row = ((plane * depth + z) * height + y) * width;
                        for element in row + x..row + x + block_width {
                            words[(element >> 5) as usize] &= !(1 << (element & 31));
                        }
                    }
                }
                seed += 1;
            }
        }
    }
    Ok(words)
}

/// What the kept elements of the call are multiplied by; none for [`BlockScaling::None`].
///
/// # Errors
/// [`Error::TooLarge`] as [`BlockMask::expected_scale`], [`Error::OutOfMemory`].
pub fn drop_block_scale(mask: &BlockMask) -> Result<Option<f32>, Error> {
    match mask.scaling() {
        BlockScaling::Count => scale_of(mask, &drop_block_mask(mask)?),
        BlockScaling::Expected | BlockScaling::None => scale_of(mask, &[]),
    }
}

fn scale_of(mask: &BlockMask, keep: &[u32]) -> Result<Option<f32>, Error> {
    Ok(match mask.scaling() {
        BlockScaling::Count => Some(mask.count_scale(keep.iter().map(|word| u64::from(word.count_ones())).sum())),
        BlockScaling::Expected => Some(mask.expected_scale()?),
        BlockScaling::None => None,
    })
}

fn is_kept(keep: &[u32], j: usize) -> bool {
    keep[j >> 5] >> (j & 31) & 1 == 1
}
