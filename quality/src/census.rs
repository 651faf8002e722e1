//! Every word once: what normals there are, and how far each is from what it should be.

use std::{num::NonZero, panic, thread};

use wgpu_dropout::reference::normal_q21_of;

use crate::inverse::Inverse;

pub type Table = [[u32; 3]; 512];

/// Words below this are not negated; the others are the same with the sign.
const HALF: u32 = 1 << 31;

/// What is found in the normals of many words. Everything but `largest_error` is exact.
pub struct Census {
    /// How many of the words below 2³¹ give each z, in units of 2⁻²¹.
    pub counts: Vec<u32>,
    /// Words u below 2³¹ whose normal is zero or less, or is not minus that of u + 2³¹: without any, `counts` is all.
    pub astray: u64,
    /// Of all words, in units of 2⁻²¹.
    pub sum: i64,
    /// The largest |z + Φ⁻¹(m·2⁻³³)|.
    pub largest_error: f64,
    /// Places where z rises with m, although −Φ⁻¹ falls, and the most that it rises, in units of 2⁻²¹.
    pub rises: u64,
    pub highest_rise: i32,
    /// Those of these places that are inside of a segment of the table, and the lowest x of them: x runs to 2¹⁶ − 1.
    pub rises_inside: u64,
    pub first_x_inside: u32,
}

impl Census {
    /// Of all 2³² words, on every core.
    pub fn of_all(table: &Table) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get) as u64;
        let bounds: Vec<u32> = (0..=cores).map(|part| (u64::from(HALF) * part / cores) as u32).collect();
        thread::scope(|scope| {
            let parts: Vec<_> =
                bounds.windows(2).map(|bounds| scope.spawn(|| Self::of(table, bounds[0], bounds[1]))).collect();
            let parts = parts.into_iter().map(|part| part.join().unwrap_or_else(|cause| panic::resume_unwind(cause)));
            parts.reduce(Self::join).unwrap_or_else(|| Self::of(table, 0, 0))
        })
    }

    /// Of the words from `first` to before `end`, which is at most 2³¹, and of those 2³¹ above them.
    pub fn of(table: &Table, first: u32, end: u32) -> Self {
        let mut census = Self {
            counts: vec![0; 1 << 24],
            astray: 0,
            sum: 0,
            largest_error: 0.0,
            rises: 0,
            highest_rise: 0,
            rises_inside: 0,
            first_x_inside: u32::MAX,
        };
        let mut inverse = Inverse::new();
        let mut before = first.checked_sub(1).map(|u| normal_q21_of(table, u));
        for u in first..end {
            let (z, mirrored) = (normal_q21_of(table, u), normal_q21_of(table, u | HALF));
            census.sum += i64::from(z) + i64::from(mirrored);
            census.astray += u64::from(z <= 0 || mirrored != -z);
            census.counts[z.max(0) as usize] += 1;
            // −Φ⁻¹ falls while m rises: of neighbouring words with one z, the first and the last are furthest off.
            if before != Some(z) {
                if let Some(before) = before {
                    census.measure(inverse.at(m(u - 1)), before);
                    census.look_for_a_rise(u, z - before);
                }
                census.measure(inverse.at(m(u)), z);
            }
            before = Some(z);
        }
        if let Some(z) = before {
            census.measure(inverse.at(m(end - 1)), z);
        }
        census
    }

    fn measure(&mut self, wanted: f64, z: i32) {
        self.largest_error = self.largest_error.max((wanted - value(z)).abs());
    }

    fn look_for_a_rise(&mut self, u: u32, rise: i32) {
        if rise > 0 {
            self.rises += 1;
            self.highest_rise = self.highest_rise.max(rise);
            let (entry, x) = place(u);
            if entry == place(u - 1).0 {
                self.rises_inside += 1;
                self.first_x_inside = self.first_x_inside.min(x);
            }
        }
    }

    fn join(mut self, other: Self) -> Self {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
        Self {
            counts: self.counts,
            astray: self.astray + other.astray,
            sum: self.sum + other.sum,
            largest_error: self.largest_error.max(other.largest_error),
            rises: self.rises + other.rises,
            highest_rise: self.highest_rise.max(other.highest_rise),
            rises_inside: self.rises_inside + other.rises_inside,
            first_x_inside: self.first_x_inside.min(other.first_x_inside),
        }
    }
}

/// A normal from its units of 2⁻²¹.
pub fn value(z: i32) -> f64 {
    f64::from(z) / f64::from(1 << 21)
}

/// The odd number of a word below 2³¹.
fn m(u: u32) -> u32 {
    2 * u + 1
}

/// The table's entry for a word, and x.
fn place(u: u32) -> (u32, u32) {
    let octave = m(u).leading_zeros();
    let n = m(u) << octave;
    (16 * octave + (n >> 27 & 15), n >> 11 & 0xffff)
}

#[cfg(test)]
mod tests {
    use wgpu_dropout::normal_table::NORMAL_TABLE;

    use super::*;

    /// The largest error among words of one entry, spread over its segment with both ends; None without any words.
    fn error_of(table: &Table, entry: u32) -> Option<f64> {
        let (octave, segment) = (entry / 16, entry % 16);
        let ns = (0..=64u64).map(|step| (1 << 31 | u64::from(segment) << 27) + (((1 << 27) - 1) * step / 64));
        // In deep octaves few n are left, because m is whole and odd.
        let words: Vec<u32> = ns.map(|n| (n as u32 >> octave | 1) >> 1).filter(|&u| place(u).0 == entry).collect();
        let mut inverse = Inverse::new();
        words.into_iter().map(|u| (inverse.at(m(u)) - value(normal_q21_of(table, u))).abs()).reduce(f64::max)
    }

    /// What `--broken-table` breaks shows, whichever entry it is.
    #[test]
    fn every_entry_is_right_and_is_seen_when_it_is_broken() {
        let mut unused = 0;
        for entry in 0..512 {
            let Some(error) = error_of(&NORMAL_TABLE, entry) else {
                unused += 1;
                continue;
            };
            assert!(error < 2.885e-6, "{entry}: {error:e}");
            let mut table = NORMAL_TABLE;
            crate::break_entry(&mut table, entry as usize);
            let error = error_of(&table, entry).unwrap();
            assert!(error > 2.885e-6, "{entry}: {error:e}");
        }
        // Those of the last octaves, which have fewer odd m than segments.
        assert_eq!(unused, 15 + 15 + 14 + 12 + 8);
    }

    /// A part of the words in one piece and in two.
    #[test]
    fn parts_join() {
        let whole = Census::of(&NORMAL_TABLE, 3_000_000, 3_400_000);
        let parts =
            Census::of(&NORMAL_TABLE, 3_000_000, 3_100_007).join(Census::of(&NORMAL_TABLE, 3_100_007, 3_400_000));
        let all = |census: Census| {
            let Census { counts, astray, sum, largest_error: _, rises, highest_rise, rises_inside, first_x_inside } =
                census;
            (counts, astray, sum, rises, highest_rise, rises_inside, first_x_inside)
        };
        assert!((whole.largest_error - parts.largest_error).abs() < 1e-14);
        assert!(whole.rises > 0 && whole.counts.iter().map(|&count| u64::from(count)).sum::<u64>() == 400_000);
        assert!(all(whole) == all(parts));
    }
}
