use crate::Error;

/// Where a block of local data lies in the whole logical tensor: which indexes its elements have there.
///
/// A tensor may be split over calls, buffers and devices. Each part says where it lies and gets exactly the bits that
/// the whole tensor would have. A contiguous part needs only its start, so a `u64` is a view too. A block of columns of
/// a matrix has a row length and a pitch: local element j has the logical index
/// `start + (j / row_length)·row_pitch + j % row_length`.
///
/// ```
/// use wgpu_dropout::View;
///
/// // The right half of a 4 × 10 matrix: 4 rows of 5 elements, 10 apart, from column 5 on.
/// let right = View::rows(5, 5, 10);
/// assert_eq!((0..7).map(|j| right.index(j)).collect::<Vec<_>>(), [5, 6, 7, 8, 9, 15, 16]);
/// assert_eq!(right.skip(7).index(0), 17);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The logical index of the start of the first row.
    start: u64,
    /// Elements of a row; `u64::MAX` when the whole is one row.
    row_length: u64,
    /// Elements from the start of a row to the start of the next.
    row_pitch: u64,
    /// Where in its row local element 0 lies.
    column: u64,
    /// Whether more was skipped than there are indexes: then no element has one.
    past_the_end: bool,
}

impl View {
    /// Elements one after the other from the logical index `start` on.
    pub const fn contiguous(start: u64) -> Self {
        Self { start, row_length: u64::MAX, row_pitch: u64::MAX, column: 0, past_the_end: false }
    }

    /// Rows of `row_length` elements whose starts are `row_pitch` elements apart, the first at the logical index
    /// `start`. Checked where it is used: 1 ≤ row_length ≤ row_pitch.
    pub const fn rows(start: u64, row_length: u64, row_pitch: u64) -> Self {
        Self { start, row_length, row_pitch, column: 0, past_the_end: false }
    }

    /// The view of what follows the first `elements` local elements. Past the last index there is nothing but its end: a
    /// view of it has no elements, and a length of 1 or more is an error where it is used.
    #[must_use]
    pub const fn skip(self, elements: u64) -> Self {
        if self.is_contiguous() {
            let (start, past_the_end) = self.start.overflowing_add(elements);
            return Self { start, past_the_end: self.past_the_end || past_the_end, ..self };
        }
        let (row, column) = self.row_and_column(elements);
        let start = row.saturating_mul(self.row_pitch as u128).saturating_add(self.start as u128);
        Self { start: start as u64, column, past_the_end: self.past_the_end || start > u64::MAX as u128, ..self }
    }

    /// The logical index of local element `local`, modulo 2⁶⁴.
    pub const fn index(&self, local: u64) -> u64 {
        let (row, column) = self.row_and_column(local);
        self.start.wrapping_add((row as u64).wrapping_mul(self.row_pitch)).wrapping_add(column)
    }

    /// The logical index of the start of the first row.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Elements of a row; `u64::MAX` when the whole is one row.
    pub const fn row_length(&self) -> u64 {
        self.row_length
    }

    /// Elements from the start of a row to the start of the next.
    pub const fn row_pitch(&self) -> u64 {
        self.row_pitch
    }

    /// Where in its row local element 0 lies: 0 unless made by [`skip`](Self::skip).
    pub const fn column(&self) -> u64 {
        self.column
    }

    /// Whether the elements follow each other without a gap.
    pub const fn is_contiguous(&self) -> bool {
        self.row_length == u64::MAX || self.row_length == self.row_pitch && self.column == 0
    }

    /// One past the largest logical index of `length` elements, without wrapping; 0 for none.
    pub(crate) fn end(&self, length: u64) -> Result<u128, Error> {
        if self.row_length == 0 || self.row_pitch < self.row_length {
            return Err(Error::View { row_length: self.row_length, row_pitch: self.row_pitch });
        }
        if length == 0 {
            return Ok(0);
        }
        if self.past_the_end {
            return Ok(u128::MAX);
        }
        let (row, column) = self.row_and_column(length - 1);
        let offset = row.saturating_mul(self.row_pitch.into());
        Ok(offset.saturating_add(u128::from(self.start) + u128::from(column) + 1))
    }

    /// Row and column of a local element.
    const fn row_and_column(&self, local: u64) -> (u128, u64) {
        let position = self.column as u128 + local as u128;
        // Most calls have one row; a division costs more than all the rest.
        if position < self.row_length as u128 || self.row_length == 0 {
            return (0, position as u64);
        }
        (position / self.row_length as u128, (position % self.row_length as u128) as u64)
    }
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

    #[test]
    fn skipping_continues_the_view() {
        for view in [View::contiguous(7), View::rows(7, 3, 10), View::rows(0, 1, 1), View::rows(5, 4, 4)] {
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
        assert_eq!(rows.skip(9).end(1).unwrap(), u128::MAX);
    }
}
