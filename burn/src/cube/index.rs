//! Which decision governs an element: `View::index` of the library, in numbers of 32 bits.

use cubecl::prelude::*;
use wgpu_dropout::View;

use super::keep_rule::words;
use crate::Error;

/// A number of 64 bits, for devices that have none. It wraps.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Index {
    pub(super) low: u32,
    pub(super) high: u32,
}

#[cube]
impl Index {
    /// With a product added.
    fn plus_product(self, stride_low: u32, stride_high: u32, coordinate: u32) -> Index {
        let product_low = stride_low * coordinate;
        let product_high = stride_low.mul_hi(coordinate) + stride_high * coordinate;
        let low = self.low + product_low;
        Index { low, high: self.high + product_high + select(low < product_low, 1, 0) }
    }

    pub(super) fn plus(self, number: u32) -> Index {
        let low = self.low + number;
        Index { low, high: self.high + select(low < number, 1, 0) }
    }

    /// That of the group of 2^`digits` elements that it is in.
    pub(super) fn group(self, #[comptime] digits: u32) -> Index {
        Index { low: (self.low >> digits) | (self.high << comptime!(32 - digits)), high: self.high >> digits }
    }
}

/// Where the elements of a tensor are in the whole.
///
/// From an element to the next the index grows by the innermost axis' stride. Wherever a coordinate begins anew it grows besides by
/// the axis' step: one of the outer axis, less what the axis has gone through. So coordinates are never formed, and elements may
/// begin anywhere in a shape of any extents.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Place {
    /// The index of the first element.
    start_low: u32,
    start_high: u32,
    stride_low: u32,
    stride_high: u32,
    /// All axes but the outermost, which has no end; the innermost first.
    axes: Sequence<Axis>,
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Axis {
    /// Coordinates until the axis begins anew for the first time.
    left: u32,
    extent: u32,
    step_low: u32,
    step_high: u32,
}

/// Where an element is.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Position {
    /// Of what governs it.
    pub(super) index: Index,
    /// Elements from it on until the innermost axis begins anew.
    pub(super) left: u32,
}

#[cube]
pub(super) fn position_of(place: &Place, element: u32) -> Position {
    let start = Index { low: place.start_low, high: place.start_high };
    let first = start.plus_product(place.stride_low, place.stride_high, element);
    let mut low = first.low;
    let mut high = first.high;
    let mut left = 0xffff_ffffu32.runtime();
    let mut rest = element;
    #[unroll]
    for number in 0..place.axes.len() {
        let axis = &place.axes[number];
        // No number here is above 32 bits.
        let past = rest - axis.left;
        let turns = select(rest < axis.left, 0u32, 1 + past / axis.extent);
        if comptime!(number == 0) {
            left = select(rest < axis.left, axis.left - rest, turns * axis.extent - past);
        }
        let sum = Index { low, high }.plus_product(axis.step_low, axis.step_high, turns);
        low = sum.low;
        high = sum.high;
        rest = turns;
    }
    Position { index: Index { low, high }, left }
}

/// How the index goes on along the innermost axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Inner {
    /// By one, from the first element to the last; `aligned` is whether it begins at a multiple of 8.
    Contiguous { aligned: bool },
    /// By one.
    Dense,
    /// Not at all.
    Shared,
    /// By more.
    Strided,
}

/// A view of so many elements, as a kernel takes it.
///
/// # Errors
/// [`Error::Gathered`], and [`Error::Large`] for elements that 32 bits cannot number.
pub(super) fn place(view: &View, elements: usize) -> Result<(PlaceLaunch, Inner), Error> {
    if view.is_gathered() {
        return Err(Error::Gathered);
    }
    // The largest number stands for every larger extent, and the last run may reach past the elements.
    if elements as u64 >= u64::from(u32::MAX - 32) {
        return Err(Error::Large { elements });
    }
    // Innermost first: extent, stride, and coordinates until it begins anew. Those that go on from each other are one.
    let mut axes: Vec<[u64; 3]> = vec![];
    let mut skipped = view.skipped();
    for (number, (&extent, &stride)) in view.shape().iter().zip(view.strides()).enumerate().rev() {
        let coordinate = if number == 0 { skipped } else { skipped % extent.max(1) };
        skipped /= extent.max(1);
        let left = extent.saturating_sub(coordinate);
        match axes.last_mut() {
            _ if extent == 1 => {}
            Some([of_inner, inner, left_inner]) if inner.wrapping_mul(*of_inner) == stride => {
                *left_inner = left_inner.saturating_add(left.saturating_sub(1).saturating_mul(*of_inner));
                *of_inner = of_inner.saturating_mul(extent);
            }
            _ => axes.push([extent, stride, left]),
        }
    }
    let start = view.index(0);
    let stride = axes.first().map_or(1, |&[_, stride, _]| stride);
    let inner = match (stride, axes.len()) {
        (1, 0 | 1) => Inner::Contiguous { aligned: start.is_multiple_of(8) },
        (1, _) => Inner::Dense,
        (0, _) => Inner::Shared,
        _ => Inner::Strided,
    };
    let small = |extent: u64| u32::try_from(extent).unwrap_or(u32::MAX);
    let mut sequence = SequenceArg::new();
    for pair in axes.windows(2) {
        let [[extent, stride, left], [_, outer, _]] = [pair[0], pair[1]];
        let [low, high] = words(outer.wrapping_sub(extent.wrapping_mul(stride)));
        sequence.push(AxisLaunch::new(small(left), small(extent), low, high));
    }
    let [[start_low, start_high], [stride_low, stride_high]] = [start, stride].map(words);
    Ok((PlaceLaunch::new(start_low, start_high, stride_low, stride_high, sequence), inner))
}
