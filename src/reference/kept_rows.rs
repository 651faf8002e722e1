//! The rows that a mask over rows keeps, as a list.

use super::{dropout::reserve, keep_mask};
use crate::{Error, Mask};

/// The numbers of the kept ones of `count` rows, in ascending order. Row j is element j of the mask's view: a mask over
/// rows has one element a row.
///
/// # Errors
/// [`Error::Number`] for 2³² rows or more, [`Error::IndexRange`] when the rows lie past the generator's range,
/// [`Error::View`], [`Error::OutOfMemory`] when the host has no room for the list.
pub fn kept_rows(mask: &Mask, count: u64) -> Result<Vec<u32>, Error> {
    let count = check_rows(count)?;
    let keep = keep_mask(mask, count.into())?;
    let kept: u32 = keep.iter().map(|word| word.count_ones()).sum();
    let mut rows = reserve(kept.into())?;
    rows.extend((0..count).filter(|row| keep[(row >> 5) as usize] >> (row & 31) & 1 == 1));
    Ok(rows)
}

/// What an indirect dispatch over a list of kept rows takes: the workgroups in x, y and z, and then the number of kept
/// rows. None of x, y and z is more than `most_workgroups`, what a device takes in a dimension (1,626 or more). There are at
/// least `kept`/`rows_per_workgroup` workgroups, in x alone where that suffices, and for no rows there are none.
///
/// # Errors
/// [`Error::Number`] for 0 rows per workgroup.
pub fn kept_rows_dispatch(kept: u32, rows_per_workgroup: u32, most_workgroups: u32) -> Result<[u32; 4], Error> {
    if rows_per_workgroup == 0 {
        return Err(NO_ROWS);
    }
    let workgroups = kept.div_ceil(rows_per_workgroup);
    let most = most_workgroups.max(1);
    let z = workgroups.div_ceil(most.saturating_mul(most)).max(1);
    let y = workgroups.div_ceil(z).div_ceil(most).max(1);
    Ok([workgroups.div_ceil(z).div_ceil(y), y, z, kept])
}

/// The number of rows, when numbers of 32 bits can name them.
pub(crate) fn check_rows(count: u64) -> Result<u32, Error> {
    let remedy = "numbers of rows have 32 bits, so there must be fewer than 2^32: split them (Mask::skip)";
    u32::try_from(count).map_err(|_| Error::Number { what: "rows", value: count, remedy })
}

/// The error of workgroups without rows.
const NO_ROWS: Error = Error::Number { what: "rows per workgroup", value: 0, remedy: "it must be at least 1" };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dropout, Key};

    #[test]
    fn dispatches_are_large_enough_and_hardly_larger() {
        assert_eq!(kept_rows_dispatch(0, 7, 65_535).unwrap(), [0, 1, 1, 0]);
        assert_eq!(kept_rows_dispatch(7, 7, 65_535).unwrap(), [1, 1, 1, 7]);
        assert_eq!(kept_rows_dispatch(65_536, 1, 65_535).unwrap(), [32_768, 2, 1, 65_536]);
        for most in [1626, 2048, 65_535, 65_536, u32::MAX] {
            for kept in [0, 1, 2, 3, 1625, 1626, 1627, 65_535, 65_536, 1 << 20, u32::MAX - 1, u32::MAX] {
                for each in [1, 2, 3, 64, u32::MAX] {
                    let [x, y, z, number] = kept_rows_dispatch(kept, each, most).unwrap();
                    let (needed, there) = (kept.div_ceil(each), u128::from(x) * u128::from(y) * u128::from(z));
                    assert!(x.max(y).max(z) <= most && number == kept, "{kept} {each} {most}: {x} {y} {z}");
                    assert!(there >= needed.into() && there - u128::from(needed) < u128::from(y * z), "{x} {y} {z}");
                    assert_eq!(needed == 0, x == 0);
                }
            }
        }
        kept_rows_dispatch(1, 0, 1).unwrap_err();
    }

    #[test]
    fn lists_are_the_masks_bits() {
        let mask = Dropout::new(0.3).unwrap().mask(Key::new(5)).at(7);
        let rows: Vec<u32> = (0..1000).filter(|&row| crate::reference::keeps(&mask, row.into())).collect();
        assert_eq!(kept_rows(&mask, 1000).unwrap(), rows);
        assert!(kept_rows(&mask, 0).unwrap().is_empty());
        let message = kept_rows(&mask, 1 << 32).unwrap_err().to_string();
        assert!(message.contains("4294967296") && message.contains("skip"), "{message}");
    }
}
