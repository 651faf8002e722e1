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

    fn plus(self, number: u32) -> Index {
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

/// The index of what governs an element.
#[cube]
pub(super) fn index_of(place: &Place, element: u32, #[comptime] contiguous: bool) -> Index {
    let start = Index { low: place.start_low, high: place.start_high };
    if comptime!(contiguous) {
        start.plus(element)
    } else {
        let first = start.plus_product(place.stride_low, place.stride_high, element);
        let mut low = first.low;
        let mut high = first.high;
        let mut rest = element;
        #[unroll]
        for number in 0..place.axes.len() {
            let axis = &place.axes[number];
            // Without a number that is above 32 bits.
            rest = select(rest < axis.left, 0, 1 + (rest - axis.left) / axis.extent);
            let sum = Index { low, high }.plus_product(axis.step_low, axis.step_high, rest);
            low = sum.low;
            high = sum.high;
        }
        Index { low, high }
    }
}

/// A view of so many elements, as a kernel takes it, and whether it is contiguous.
///
/// # Errors
/// [`Error::Gathered`], and [`Error::Large`] for elements that 32 bits cannot number.
pub(super) fn place(view: &View, elements: usize) -> Result<(PlaceLaunch, bool), Error> {
    if view.is_gathered() {
        return Err(Error::Gathered);
    }
    // The largest number stands for every larger extent.
    if elements as u64 >= u64::from(u32::MAX) {
        return Err(Error::Large { elements });
    }
    let small = |extent: u64| u32::try_from(extent).unwrap_or(u32::MAX);
    let [start_low, start_high] = words(view.index(0));
    let contiguous = view.is_contiguous();
    let [stride_low, stride_high] = words(view.strides().last().copied().unwrap_or(1));
    let mut axes = SequenceArg::new();
    let mut skipped = view.skipped();
    let inner = view.shape().iter().zip(view.strides()).skip(1);
    for ((&extent, &stride), &outer) in inner.zip(view.strides()).rev().filter(|_| !contiguous) {
        let [step_low, step_high] = words(outer.wrapping_sub(extent.wrapping_mul(stride)));
        let left = extent - skipped % extent.max(1);
        skipped /= extent.max(1);
        axes.push(AxisLaunch::new(small(left), small(extent), step_low, step_high));
    }
    Ok((PlaceLaunch::new(start_low, start_high, stride_low, stride_high, axes), contiguous))
}
