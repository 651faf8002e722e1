use crate::Error;

/// Axes that a [`View`] can have.
pub const MAX_AXES: usize = 8;

/// The extent of an axis that goes on as long as the data does.
const UNBOUNDED: u64 = u64::MAX;

/// Where a block of local data lies in the whole logical tensor: which decision governs each of its elements.
///
/// A tensor may be split over calls, buffers and devices, and one decision may govern many elements. All of it is one
/// idea, strides: the local element with the coordinates c₀, c₁, … (row-major in the local shape) takes the decision with the
/// index `start + Σ c_k·stride_k`.
///
/// | | made by | strides |
/// |---|---|---|
/// | elements one after the other | a `u64`, [`contiguous`](Self::contiguous) | (1) |
/// | a block of columns of a matrix | [`rows`](Self::rows) | (pitch, 1) |
/// | a mask shared along axes | [`shared`](Self::shared) | row-major, 0 on the shared axes |
/// | a shard of a shared mask, or anything else | [`strided`](Self::strided) | yours |
///
/// With [`gathered`](Self::gathered) the coordinate of axis 0 is looked up in a list of row ids.
///
/// ```
/// use wgpu_dropout::View;
///
/// // The right half of a 4 × 10 matrix: 4 rows of 5 elements, 10 apart, from column 5 on.
/// let right = View::rows(5, 5, 10);
/// assert_eq!((0..7).map(|j| right.index(j)).collect::<Vec<_>>(), [5, 6, 7, 8, 9, 15, 16]);
/// assert_eq!(right.skip(7).index(0), 17);
///
/// // Two channels of 2 × 2, each kept or dropped as a whole.
/// let channels = View::shared(0, &[2, 2, 2], &[1, 2])?;
/// assert_eq!((0..8).map(|j| channels.index(j)).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1, 1, 1]);
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    start: u64,
    /// Of each axis, the outermost first, the extent.
    shape: [u64; MAX_AXES],
    /// And the decisions from one coordinate to the next.
    strides: [u64; MAX_AXES],
    rank: u8,
    /// Whether the shape says how many elements there are; else axis 0 goes on as long as the data does.
    has_shape: bool,
    gathered: bool,
    /// Local elements before the data.
    skipped: u64,
    /// Whether the data may end before the shape does.
    is_part: bool,
    /// Whether more was skipped than there are indexes: then no element has one.
    past_the_end: bool,
}

/// An axis of a view whose neighbours were merged, as far as they go on from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) extent: u64,
    pub(crate) stride: u64,
}

impl View {
    /// Elements one after the other from the logical index `start` on.
    pub const fn contiguous(start: u64) -> Self {
        Self::unbounded(start, 1, [UNBOUNDED, 0], [1, 0])
    }

    /// Rows of `row_length` elements whose starts are `row_pitch` elements apart, the first at the logical index
    /// `start`. Checked where it is used: 1 ≤ row_length ≤ row_pitch.
    pub const fn rows(start: u64, row_length: u64, row_pitch: u64) -> Self {
        Self::unbounded(start, 2, [UNBOUNDED, row_length], [row_pitch, 1])
    }

    const fn unbounded(start: u64, rank: u8, [n_0, n_1]: [u64; 2], [stride_0, stride_1]: [u64; 2]) -> Self {
        let shape = [n_0, n_1, 0, 0, 0, 0, 0, 0];
        let strides = [stride_0, stride_1, 0, 0, 0, 0, 0, 0];
        Self {
            start,
            shape,
            strides,
            rank,
            has_shape: false,
            gathered: false,
            skipped: 0,
            is_part: true,
            past_the_end: false,
        }
    }

    /// Data of this shape, whose local element with the coordinates c takes the decision `start + Σ c_k·strides[k]`. Strides
    /// are in decisions and may be 0. For a shard of a tensor these are the strides of the whole, and `start` is that of the
    /// shard's first element.
    ///
    /// # Errors
    /// [`Error::Shape`] for no axes or more than 8, for another number of strides, and for a shape of more than 2⁶⁴ − 1
    /// elements.
    pub fn strided(start: u64, shape: &[u64], strides: &[u64]) -> Result<Self, Error> {
        let problem = |problem: String| Err(Error::Shape { shape: shape.to_vec(), problem });
        if shape.is_empty() || shape.len() > MAX_AXES {
            return problem(format!("it has {} axes: give 1 to {MAX_AXES}, joining neighbours", shape.len()));
        }
        if strides.len() != shape.len() {
            return problem(format!("there are {} strides: give one for each axis", strides.len()));
        }
        if elements(shape).is_none() {
            return problem("it has more than 2^64 - 1 elements: split the data".to_owned());
        }
        let mut view = Self::contiguous(start);
        view.shape = [0; MAX_AXES];
        view.shape[..shape.len()].copy_from_slice(shape);
        view.strides = [0; MAX_AXES];
        view.strides[..shape.len()].copy_from_slice(strides);
        #[expect(clippy::cast_possible_truncation, reason = "at most 8")]
        let rank = shape.len() as u8;
        Ok(Self { rank, has_shape: true, is_part: false, ..view })
    }

    /// Data of this shape, where one decision governs all the elements that differ only in their coordinates of the shared
    /// axes (0-based): the mask of the shape with those axes set to 1, broadcast. The strides are the row-major ones of that
    /// shape, and 0 on the shared axes.
    ///
    /// # Errors
    /// [`Error::Shape`] as for [`strided`](Self::strided), and for an axis that is not there or is named twice.
    pub fn shared(start: u64, shape: &[u64], axes: &[usize]) -> Result<Self, Error> {
        let problem = |problem: String| Err(Error::Shape { shape: shape.to_vec(), problem });
        for (i, &axis) in axes.iter().enumerate() {
            if axis >= shape.len() {
                return problem(format!("axis {axis} is to be shared, and it has {}, counted from 0", shape.len()));
            }
            if axes[..i].contains(&axis) {
                return problem(format!("axis {axis} is to be shared twice: name it once"));
            }
        }
        let mut strides = vec![0; shape.len()];
        let mut decisions: u64 = 1;
        for axis in (0..shape.len()).rev().filter(|axis| !axes.contains(axis)) {
            strides[axis] = decisions;
            // Where this wraps there are too many elements, or none.
            decisions = decisions.wrapping_mul(shape[axis]);
        }
        Self::strided(start, shape, &strides)
    }

    /// The same with rows, the coordinates of axis 0, looked up: row r takes the decisions of row `ids[r]` of the whole, that
    /// is `start + ids[r]·strides[0] + …`. The ids, 32 bits each and one for each row of the shape, come with the data.
    ///
    /// # Errors
    /// [`Error::Shape`] where axis 0 is shared, for a row of 2³¹ elements or more, and for a view without a shape.
    pub fn gathered(self) -> Result<Self, Error> {
        let problem = |problem: &str| Err(Error::Shape { shape: self.shape().to_vec(), problem: problem.to_owned() });
        if !self.has_shape {
            return problem("rows can be gathered of data with a shape: give one first");
        }
        if self.strides[0] == 0 {
            return problem("axis 0 cannot be both shared and gathered");
        }
        if elements(&self.shape()[1..]).is_none_or(|elements| elements >= 1 << 31) {
            return problem("gathered rows must have less than 2^31 elements: cut the rows");
        }
        Ok(Self { gathered: true, ..self })
    }

    /// The view of what follows the first `elements` local elements, which may end before the shape does. Past the last index
    /// there is nothing but its end: a view of it has no elements, and a length of 1 or more is an error where it is used.
    #[must_use]
    pub const fn skip(self, elements: u64) -> Self {
        let is_plain = self.rank == 1 && !self.has_shape;
        let (skipped, past_the_end) =
            if is_plain { self.start.overflowing_add(elements) } else { self.skipped.overflowing_add(elements) };
        let past_the_end = self.past_the_end || past_the_end;
        if is_plain {
            return Self { start: skipped, past_the_end, ..self };
        }
        Self { skipped, is_part: true, past_the_end, ..self }
    }

    /// The index of the decision of local element `local`, modulo 2⁶⁴. Of a gathered view: with the row's own number for its
    /// id.
    pub fn index(&self, local: u64) -> u64 {
        self.index_with(local, |row| row)
    }

    /// The same with the ids of rows, one for each. A row without one keeps its number.
    pub fn gathered_index(&self, local: u64, row_ids: &[u32]) -> u64 {
        self.index_with(local, |row| {
            let id = usize::try_from(row).ok().and_then(|row| row_ids.get(row));
            id.map_or(row, |&id| id.into())
        })
    }

    fn index_with(&self, local: u64, id: impl Fn(u64) -> u64) -> u64 {
        let (shape, strides) = (self.shape(), self.strides());
        if let (&[_], &[stride], false) = (shape, strides, self.gathered) {
            return self.start.wrapping_add(self.skipped.wrapping_add(local).wrapping_mul(stride));
        }
        // An element past 2⁶⁴ has no index.
        let mut rest = self.skipped.wrapping_add(local);
        let mut index = self.start;
        for (&extent, &stride) in shape[1..].iter().zip(&strides[1..]).rev() {
            // Most calls stay in their row, and a division costs more than all the rest.
            let coordinate = if rest < extent || extent == 0 { rest } else { rest % extent };
            rest = (rest - coordinate) / extent.max(1);
            index = index.wrapping_add(coordinate.wrapping_mul(stride));
        }
        let first = if self.gathered { id(rest) } else { rest };
        index.wrapping_add(first.wrapping_mul(strides[0]))
    }

    /// The same elements from another start.
    #[must_use]
    pub const fn with_start(self, start: u64) -> Self {
        Self { start, ..self }
    }

    /// How many decisions there are for an element, as far as the shape says: 1, or less where they are shared.
    pub(crate) fn decisions_an_element(&self) -> f64 {
        let shared = self.shape().iter().zip(self.strides()).filter(|&(_, &stride)| stride == 0);
        shared.map(|(&extent, _)| 1.0 / extent.max(1) as f64).product()
    }

    /// The logical index of the decision of the element with all coordinates 0.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The extents, the outermost first. That of the first axis is `u64::MAX` where it has no end.
    pub fn shape(&self) -> &[u64] {
        &self.shape[..usize::from(self.rank)]
    }

    /// The decisions from one coordinate of an axis to the next.
    pub fn strides(&self) -> &[u64] {
        &self.strides[..usize::from(self.rank)]
    }

    /// Local elements that were [skipped](Self::skip).
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether rows are looked up.
    pub const fn is_gathered(&self) -> bool {
        self.gathered
    }

    /// Row ids that a call needs: one for each row of the shape; 0 unless gathered.
    pub const fn row_ids(&self) -> u64 {
        if self.gathered { self.shape[0] } else { 0 }
    }

    /// Whether every element has a decision of its own, and they follow each other without a gap.
    pub fn is_contiguous(&self) -> bool {
        if self.rank == 1 && !self.has_shape {
            return true;
        }
        !self.gathered && matches!(*self.merged(), [] | [Axis { stride: 1, .. }])
    }

    /// The axes, with those of one coordinate left out, and neighbours joined that go on from each other: both shared, or the
    /// outer one's stride is what the inner one spans. Axis 0 of a gathered view stays by itself, and comes first.
    pub(crate) fn merged(&self) -> smallvec::SmallVec<[Axis; MAX_AXES]> {
        let mut merged: smallvec::SmallVec<[Axis; MAX_AXES]> = smallvec::SmallVec::new();
        for (number, (&extent, &stride)) in self.shape().iter().zip(self.strides()).enumerate() {
            let axis = Axis { extent, stride };
            let is_alone = self.gathered && number == 0;
            if extent == 1 && !is_alone {
                continue;
            }
            let first_stays = self.gathered && merged.len() == 1;
            match merged.last_mut() {
                Some(outer) if !first_stays && outer.stride == extent.wrapping_mul(stride) => {
                    *outer = Axis { extent: outer.extent.saturating_mul(extent), stride };
                }
                _ => merged.push(axis),
            }
        }
        merged
    }

    /// Checks `length` elements against the shape, and gives one past the largest logical index, without wrapping; 0 for
    /// none.
    pub(crate) fn end(&self, length: u64) -> Result<u128, Error> {
        let (shape, strides) = (self.shape(), self.strides());
        if self.has_shape {
            self.check_shape(length)?;
            let offsets = shape.iter().zip(strides).enumerate().map(|(axis, (&extent, &stride))| {
                // Every id is valid.
                let most = if self.gathered && axis == 0 { u64::from(u32::MAX) } else { extent.saturating_sub(1) };
                u128::from(most).saturating_mul(stride.into())
            });
            let offset = offsets.fold(0, u128::saturating_add);
            let end = offset.saturating_add(u128::from(self.start) + 1);
            return Ok(if shape.contains(&0) { 0 } else { end });
        }
        if let (&[_, row_length], &[row_pitch, _]) = (shape, strides) {
            if row_length == 0 || row_pitch < row_length {
                return Err(Error::View { row_length, row_pitch });
            }
        }
        if length == 0 {
            return Ok(0);
        }
        if self.past_the_end {
            return Ok(u128::MAX);
        }
        let last = u128::from(self.skipped) + u128::from(length - 1);
        let row_length = if self.rank == 2 { u128::from(shape[1]) } else { 1 };
        let (row, column) = (last / row_length, last % row_length);
        let offset = row.saturating_mul(strides[0].into());
        Ok(offset.saturating_add(u128::from(self.start) + column + 1))
    }

    fn check_shape(&self, length: u64) -> Result<(), Error> {
        let shape = self.shape();
        let all = elements(shape).unwrap_or(UNBOUNDED);
        let left = if self.past_the_end { None } else { all.checked_sub(self.skipped) };
        let fits = left.is_some_and(|left| if self.is_part { length <= left } else { length == left });
        if fits {
            return Ok(());
        }
        let after = if self.skipped > 0 { format!(" after the first {}", self.skipped) } else { String::new() };
        let problem = format!("it has {all} elements, and {length} are given{after}: give the shape of the data");
        Err(Error::Shape { shape: shape.to_vec(), problem })
    }
}

/// The product of extents, or none where it passes 64 bits.
fn elements(shape: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1, |product: u64, &extent| product.checked_mul(extent))
}

/// A contiguous view from this logical index on.
impl From<u64> for View {
    fn from(start: u64) -> Self {
        Self::contiguous(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views() -> Vec<View> {
        vec![
            View::contiguous(7),
            View::rows(7, 3, 10),
            View::rows(0, 1, 1),
            View::rows(5, 4, 4),
            View::strided(3, &[2, 3, 2, 4], &[100, 0, 7, 1]).unwrap(),
            View::shared(3, &[4, 3, 4], &[1]).unwrap(),
            View::shared(3, &[48], &[0]).unwrap(),
            View::strided(3, &[48], &[5]).unwrap(),
        ]
    }

    #[test]
    fn skipping_continues_the_view() {
        for view in views() {
            for skipped in 0..20 {
                for local in 0..20 {
                    assert_eq!(view.skip(skipped).index(local), view.index(skipped + local), "{view:?} {skipped}");
                }
            }
        }
    }

    #[test]
    fn the_end_is_one_past_the_last_index() {
        assert_eq!(View::rows(5, 3, 10).end(7).unwrap(), 26);
        assert_eq!(View::contiguous(u64::MAX).end(1).unwrap(), 1 << 64);
        assert_eq!(View::rows(0, 1, u64::MAX).end(3).unwrap(), 2 * u128::from(u64::MAX) + 1);
        assert_eq!(View::rows(0, 1, u64::MAX).skip(u64::MAX).end(u64::MAX).unwrap(), u128::MAX);
        View::rows(0, 0, 5).end(1).unwrap_err();
        View::rows(0, 6, 5).end(1).unwrap_err();
        let strided = View::strided(3, &[2, 3, 2, 4], &[100, 0, 7, 1]).unwrap();
        assert_eq!(strided.end(48).unwrap(), 3 + 100 + 7 + 3 + 1);
        let most = View::strided(u64::MAX, &[2; 8], &[u64::MAX; 8]).unwrap();
        assert_eq!(most.end(256).unwrap(), 9 * u128::from(u64::MAX) + 1);
        let gathered = View::shared(1, &[5, 12], &[]).unwrap().gathered().unwrap();
        assert_eq!(gathered.end(60).unwrap(), 1 + 12 * (1 << 32));
        assert_eq!(View::shared(1, &[5, 0], &[]).unwrap().end(0).unwrap(), 0);
    }

    /// Skipping does not wrap to the first index again.
    #[test]
    fn nothing_is_past_the_last_index() {
        let first = View::contiguous(u64::MAX - 9);
        assert_eq!(first.skip(9).end(1).unwrap(), 1 << 64);
        for past in [first.skip(10), first.skip(u64::MAX), first.skip(u64::MAX).skip(u64::MAX)] {
            assert_eq!(past.end(0).unwrap(), 0);
            assert_eq!(past.end(1).unwrap(), u128::MAX, "{past:?}");
        }
        let rows = View::rows(u64::MAX - 20, 3, 10);
        assert_eq!(rows.skip(6).end(1).unwrap(), 1 << 64);
        assert!(rows.skip(9).end(1).unwrap() > 1 << 64);
        assert_eq!(rows.skip(u64::MAX).skip(1).end(1).unwrap(), u128::MAX);
    }

    /// A shape is for exactly its elements, and a part of it for at most what is left.
    #[test]
    fn lengths_are_those_of_the_shape() {
        let view = View::shared(0, &[2, 3], &[1]).unwrap();
        view.end(6).unwrap();
        view.end(5).unwrap_err();
        view.end(7).unwrap_err();
        view.skip(0).end(5).unwrap();
        view.skip(4).end(2).unwrap();
        view.skip(6).end(0).unwrap();
        view.skip(4).end(3).unwrap_err();
        view.skip(7).end(0).unwrap_err();
        view.skip(u64::MAX).skip(2).end(0).unwrap_err();
    }

    #[test]
    fn merging_changes_no_index() {
        let merged = |shape: &[u64], strides: &[u64]| {
            let view = View::strided(0, shape, strides).unwrap();
            view.merged().iter().map(|axis| (axis.extent, axis.stride)).collect::<Vec<_>>()
        };
        assert_eq!(merged(&[2, 3, 4], &[12, 4, 1]), [(24, 1)]);
        assert_eq!(merged(&[2, 3, 4, 5], &[3, 1, 0, 0]), [(6, 1), (20, 0)]);
        assert_eq!(merged(&[2, 1, 4], &[4, 99, 1]), [(8, 1)]);
        assert_eq!(merged(&[2, 3], &[0, 1]), [(2, 0), (3, 1)]);
        assert_eq!(merged(&[1, 1], &[0, 5]), []);
        assert_eq!(merged(&[3], &[2]), [(3, 2)]);
        let gathered = View::shared(0, &[6, 2, 2], &[]).unwrap().gathered().unwrap();
        assert_eq!(gathered.merged()[..], [Axis { extent: 6, stride: 4 }, Axis { extent: 4, stride: 1 }]);
        let one = View::shared(0, &[1, 2, 2], &[]).unwrap().gathered().unwrap();
        assert_eq!(one.merged()[0].extent, 1);
    }

    #[test]
    fn wrong_shapes_are_refused() {
        for (shape, axes) in
            [(&[2, 3][..], &[2][..]), (&[2, 3], &[1, 1]), (&[], &[]), (&[1; 9], &[]), (&[1 << 32; 2], &[])]
        {
            View::shared(0, shape, axes).unwrap_err();
        }
        View::strided(0, &[2, 3], &[1]).unwrap_err();
        View::contiguous(0).gathered().unwrap_err();
        View::shared(0, &[2, 3], &[0]).unwrap().gathered().unwrap_err();
        View::shared(0, &[2, 1 << 31], &[]).unwrap().gathered().unwrap_err();
    }

    #[test]
    fn rows_are_looked_up() {
        let view = View::shared(10, &[3, 4], &[1]).unwrap().gathered().unwrap();
        let indexes: Vec<_> = (0..12).map(|j| view.gathered_index(j, &[7, 0, 4_000_000_000])).collect();
        assert_eq!(
            indexes,
            [17, 17, 17, 17, 10, 10, 10, 10, 4_000_000_010, 4_000_000_010, 4_000_000_010, 4_000_000_010]
        );
    }
}
