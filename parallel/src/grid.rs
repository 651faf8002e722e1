//! How a batch and a layer are shared out among processes.

use std::{ops::Range, str::FromStr};

use crate::Error;

/// A grid of processes: the rows of a batch are split over `data` of them, the units of a layer over `tensor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub data: usize,
    pub tensor: usize,
}

impl Grid {
    pub const fn processes(self) -> usize {
        self.data * self.tensor
    }

    /// The place of a process: which part of the rows, and which of the units.
    pub const fn place(self, rank: usize) -> (usize, usize) {
        (rank / self.tensor, rank % self.tensor)
    }
}

/// `2x3`: rows split in two, units in three.
impl FromStr for Grid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Grid(text.into());
        let (data, tensor) = text.split_once('x').ok_or_else(wrong)?;
        let [data, tensor] =
            [data, tensor].map(|part| part.parse().ok().filter(|&part: &usize| (1..=4096).contains(&part)));
        Ok(Self { data: data.ok_or_else(wrong)?, tensor: tensor.ok_or_else(wrong)? })
    }
}

/// How large the parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shares {
    /// As equal as whole numbers can be.
    Even,
    /// As 1 : 2 : 3 …, as far as whole numbers can be.
    Uneven,
}

/// Splits `length` things into parts that follow each other, none of them empty.
pub fn split(length: usize, parts: usize, shares: Shares) -> Result<Vec<Range<usize>>, Error> {
    let end = |part: usize| match shares {
        Shares::Even => length * part / parts,
        Shares::Uneven => length * part * (part + 1) / (parts * (parts + 1)),
    };
    let ranges: Vec<_> = (0..parts).map(|part| end(part)..end(part + 1)).collect();
    if ranges.iter().any(Range::is_empty) {
        return Err(Error::Parts { length, parts });
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        for (length, parts) in [(10, 1), (10, 3), (97, 4), (300, 7)] {
            for shares in [Shares::Even, Shares::Uneven] {
                let ranges = split(length, parts, shares).unwrap();
                assert_eq!(ranges.iter().cloned().flatten().collect::<Vec<_>>(), (0..length).collect::<Vec<_>>());
            }
        }
        assert_eq!(split(9, 2, Shares::Uneven).unwrap(), [0..3, 3..9]);
        assert!(split(3, 4, Shares::Even).is_err());
    }

    #[test]
    fn grids_are_parsed() {
        assert_eq!("2x3".parse::<Grid>().unwrap(), Grid { data: 2, tensor: 3 });
        for wrong in ["", "2", "0x2", "2x", "-1x2", "2x2x2", "99999x1"] {
            assert!(wrong.parse::<Grid>().is_err(), "{wrong}");
        }
        assert_eq!(Grid { data: 2, tensor: 3 }.place(4), (1, 1));
    }
}
