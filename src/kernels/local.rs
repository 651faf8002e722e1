//! Where a view's elements are, with positions in 32 bits, as kernels take them.

use smallvec::SmallVec;

use super::{
    kernel::{Inner, MANY, Strides},
    target::RUN,
};
use crate::{
    View,
    view::{Axis, MAX_AXES},
};

/// A view of the next elements with positions in 32 bits.
pub(super) struct Local {
    pub(super) start: u64,
    /// The outermost first.
    pub(super) outer: SmallVec<[Outer; MAX_AXES]>,
    pub(super) inner: Axis,
    /// Position of the first element.
    pub(super) first: u64,
    /// Elements of all the axes, but for one whose rows are looked up.
    pub(super) walked: u64,
    /// Elements up to the end of an axis that is longer than 32 bits reach.
    pub(super) reach: u64,
}

/// An axis but for the innermost: the decisions and the elements from one coordinate to the next.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    pub(super) stride: u64,
    pub(super) elements: u64,
}

impl Local {
    /// Whether every run of 32 elements, counted from the first on, is of one row, and begins at a multiple of 32 there.
    fn is_aligned(&self) -> bool {
        let strides = self.outer.iter().map(|outer| outer.stride);
        let all = strides.chain([self.start, self.first, self.inner.extent]);
        self.inner.stride == 1 && all.into_iter().all(|number| number.is_multiple_of(RUN))
    }

    pub(super) fn kind(&self, gathered: bool) -> Strides {
        let inner = match self.inner.stride {
            0 if self.inner.extent >= MANY.into() => Inner::SharedByMany,
            0 => Inner::Shared,
            1 if self.is_aligned() => Inner::Aligned,
            1 => Inner::Dense,
            _ => Inner::Spread,
        };
        // Few texts serve all numbers of axes.
        let outer = match self.outer.len() {
            0 | 1 => 1,
            2 => 2,
            _ => 7,
        };
        Strides { outer, inner, gathered }
    }
}

/// The strides of a view as kernels take them, with positions in 32 bits, for as many elements as [`Local::reach`] says; but
/// 32 elements are always possible.
pub(super) fn in_32_bits(view: &View) -> Local {
    const MOST: u64 = 1 << 31;
    let is_gathered = view.is_gathered();
    let mut axes = view.merged();
    // A kernel has an innermost axis, which is not looked up.
    if axes.len() == usize::from(is_gathered) {
        axes.push(Axis { extent: 1, stride: 0 });
    }
    // The axes from `number` on are walked through, `inside` elements.
    let (mut number, mut inside) = (axes.len(), 1);
    while number > usize::from(is_gathered) {
        let extent = axes[number - 1].extent.max(1);
        let Some(elements) = extent.checked_mul(inside).filter(|&elements| elements <= MOST) else { break };
        (number, inside) = (number - 1, elements);
    }
    let mut walked: SmallVec<[Axis; MAX_AXES]> = axes[number..].into();
    let (mut start, mut first, mut reach) = (view.start(), view.skipped(), u64::MAX);
    if let Some(&long) = number.checked_sub(1).and_then(|number| axes.get(number)) {
        let far = first / inside;
        first %= inside;
        if is_gathered {
            // Rows are counted from the first element's on.
            walked.insert(0, long);
        } else {
            // So are the coordinates of a long axis, but for a few before it: past the end of the axis, where no more than 32
            // elements may be needed, its coordinates begin at 0, and those few are as many again.
            let coordinate = far % long.extent;
            let left = long.extent - coordinate;
            let before = coordinate.min(if inside < 2 * RUN { 2 * RUN / inside } else { 0 });
            reach = left.saturating_mul(inside).saturating_sub(first);
            let next = view.skip(reach).index(0);
            start = view.index(0).wrapping_sub(offset(&walked, first)).wrapping_sub(before.wrapping_mul(long.stride));
            first += before * inside;
            walked.insert(0, Axis { extent: left.saturating_add(before), ..long });
            if number > 1 {
                walked.insert(0, Axis { extent: 2, stride: next.wrapping_sub(start) });
            }
        }
    }
    // What no position reaches need not fit.
    let fits = |elements: u64| elements.min(u32::MAX.into());
    let inner = walked.pop().unwrap_or(Axis { extent: 1, stride: 0 });
    let mut elements = inner.extent;
    let mut outer: SmallVec<[Outer; MAX_AXES]> = SmallVec::new();
    for axis in walked.iter().rev() {
        outer.insert(0, Outer { stride: axis.stride, elements: fits(elements) });
        elements = elements.saturating_mul(axis.extent);
    }
    let walked = if is_gathered { outer[0].elements } else { fits(elements) };
    Local { start, outer, inner: Axis { extent: fits(inner.extent), ..inner }, first, walked, reach }
}

/// Decisions from the first element of these axes to another.
fn offset(axes: &[Axis], mut position: u64) -> u64 {
    let mut offset: u64 = 0;
    for axis in axes.iter().rev() {
        offset = offset.wrapping_add((position % axis.extent).wrapping_mul(axis.stride));
        position /= axis.extent;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index of an element as a kernel computes it.
    fn index(local: &Local, element: u64, ids: &[u32]) -> u64 {
        let mut rest = local.first + element;
        assert!(rest < (1 << 32) - 1);
        let mut index = local.start;
        for (axis, outer) in local.outer.iter().enumerate() {
            let coordinate = rest / outer.elements;
            rest -= coordinate * outer.elements;
            let coordinate = if axis == 0 && !ids.is_empty() {
                ids[usize::try_from(coordinate).unwrap()].into()
            } else {
                coordinate
            };
            index = index.wrapping_add(coordinate.wrapping_mul(outer.stride));
        }
        assert!(rest < local.inner.extent, "{rest} of {}", local.inner.extent);
        index.wrapping_add(rest.wrapping_mul(local.inner.stride))
    }

    /// Rows of any length, in 32 bits.
    #[test]
    fn long_rows_keep_their_indexes() {
        for length in [1, 5, 1 << 31, (1 << 31) + 1, 1 << 32, (1 << 32) + 4, 1 << 40, u64::MAX - 1] {
            for gap in [0, 1, 1 << 33] {
                for skip in [0, 3, (1 << 31) - 2, (1 << 32) - 16, (1 << 40) - 20, u64::MAX - (1 << 21)] {
                    let view = View::rows(7, length, u64::saturating_add(length, gap)).skip(skip);
                    let local = in_32_bits(&view);
                    for j in [0, 1, 2, 14, 15, 16, 17, 31, 40, (1 << 20) - 1] {
                        if j < RUN.max(local.reach) {
                            assert_eq!(index(&local, j, &[]), view.index(j), "{view:?} {j}");
                        }
                    }
                }
            }
        }
    }

    /// Axes of any length too, whichever of them is the long one.
    #[test]
    fn long_axes_keep_their_indexes() {
        let shapes: [&[u64]; 7] = [
            &[3, 1 << 31, 5],
            &[1 << 20, 3, 1 << 33],
            &[2, 3, 1 << 32, 4],
            &[1 << 30, 7, 1 << 20],
            &[5, 4, 1 << 16, 1 << 16],
            &[3, (1 << 31) - 1, 1],
            &[2, 2, 2, 2, 2, 2, 2, 1 << 31],
        ];
        for shape in shapes {
            for strides in [[1 << 50, 0, 7, 1, 9, 0, 2, 3], [0, 1, 0, 0, 1, 1, 0, 1], [3, 0, 1 << 40, 0, 2, 0, 1, 0]] {
                let view = View::strided(11, shape, &strides[..shape.len()]).unwrap();
                let all: u64 = shape.iter().product();
                let row = all / shape[0];
                for skip in [0, 1, 4, 5, 17, row - 3, row, row - 31, all / 2 + 1, all - 9, row.saturating_sub(1 << 30)]
                {
                    let view = view.skip(skip);
                    let local = in_32_bits(&view);
                    for j in [0, 1, 2, 3, 4, 5, 6, 7, 8, 1000, 1 << 20, 1 << 30, (1 << 30) + 3, (1 << 31) - 1] {
                        if j < (all - skip).min(RUN.max(local.reach)) {
                            assert_eq!(index(&local, j, &[]), view.index(j), "{view:?} {j}");
                        }
                    }
                }
            }
        }
    }

    /// The runs of kernels go past the end, and an invocation that found no element there would never end.
    #[test]
    fn there_are_elements_past_the_end() {
        for (shape, strides) in [(&[70][..], &[0][..]), (&[7, 10], &[0, 0]), (&[70], &[3]), (&[1 << 33], &[0])] {
            let all: u64 = shape.iter().product();
            for skip in [0, all - 40, all - 1] {
                let local = in_32_bits(&View::strided(3, shape, strides).unwrap().skip(skip));
                for past in 0..RUN {
                    let rest = (local.first + (all - skip).min(1 << 31) + past)
                        % local.outer.last().map_or(local.walked, |o| o.elements);
                    assert!(rest < local.inner.extent, "{shape:?} {skip} {past}");
                }
            }
        }
    }

    #[test]
    fn gathered_rows_are_counted_from_the_first() {
        let ids = [9, 0, 4_000_000_000, 2, 9];
        for shape in [&[5, 3, 2][..], &[5], &[5, 1]] {
            let view = View::shared(3, shape, &[]).unwrap().gathered().unwrap();
            let row: u64 = shape[1..].iter().product();
            for skip in 0..5 * row {
                let local = in_32_bits(&view.skip(skip));
                for j in 0..5 * row - skip {
                    let expected = view.gathered_index(skip + j, &ids);
                    assert_eq!(
                        index(&local, j, &ids[usize::try_from(skip / row).unwrap()..]),
                        expected,
                        "{shape:?} {skip} {j}"
                    );
                }
            }
        }
    }
}
