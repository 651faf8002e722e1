//! The masks and inputs that every device is checked with, and what the CPU reference says of them.

use wgpu_dropout::{Dropout, Dtype, Error, Generator, Key, Kind, Mask, View, reference};

/// One mask over some elements.
pub struct Case {
    pub p: f64,
    pub mask: Mask,
    pub length: u64,
    /// One for each row of a gathered mask's shape.
    pub row_ids: Option<Vec<u32>>,
    /// The packed mask. Of Gaussian dropout, which drops nothing, all ones.
    pub keep: Vec<u32>,
}

/// By what they look at.
pub struct Cases {
    pub lengths: Vec<Case>,
    pub starts: Vec<Case>,
    pub probabilities: Vec<Case>,
    pub rows: Vec<Case>,
    /// Shared axes, any other strides, and gathered rows.
    pub strided: Vec<Case>,
}

pub const KEY: Key = Key { seed: 0x0123_4567_89ab_cdef, stream: 0xfedc_ba98_7654_3210 };

/// Here the threshold's low half is 15: a tie of the high halves is decided by the second part of the random bits.
const TIES: f64 = 0.062_499_996_507_540_345;

/// Elements of a workgroup of 64 invocations.
const WORKGROUP: u64 = 2048;

/// Enough that ties are met in either part of a lane: 1 in 65,536.
const MANY: u64 = (1 << 18) + 17;

impl Cases {
    pub fn new() -> Result<Self, Error> {
        let (mut lengths, mut starts, mut probabilities, mut rows) = (vec![], vec![], vec![], vec![]);
        let mut strided = vec![];
        for &generator in Generator::ALL {
            let case = |p, view, length| Case::new(p, generator, view, length);
            let around = [WORKGROUP, 2 * WORKGROUP, 3 * WORKGROUP].into_iter().flat_map(|n| n - 1..=n + 1);
            for length in (0..=70).chain(around).chain([4 * WORKGROUP + 3]) {
                // A start at a multiple of 32 has pipelines of its own.
                for start in [0, 5] {
                    lengths.push(case(0.1, View::contiguous(start), length)?);
                }
            }
            for length in [1, 33, 2049, 4099] {
                // Around the carries of the group and of the index, and the last.
                for start in [
                    (1 << 31) - 5,
                    (1 << 32) - 32,
                    (1 << 32) - 3,
                    (1 << 34) + 1,
                    (1 << 35) - 8,
                    (1 << 35) + 1,
                    (1 << 40) + 3,
                ] {
                    starts.push(case(0.1, View::contiguous(start), length)?);
                }
                let last = (generator.index_end() - u128::from(length)) as u64;
                starts.push(case(0.1, View::contiguous(last), length)?);
            }
            for p in [0.0, 1.0, 1e-10, 0.25, 0.5, TIES, 0.9, 0.999_999_999_9] {
                probabilities.push(case(p, View::contiguous(0), 4099)?);
                probabilities.push(case(p, View::contiguous((1 << 32) - 3), 2049)?);
            }
            for p in [0.1, TIES] {
                probabilities.push(case(p, View::contiguous(0), MANY)?);
                probabilities.push(case(p, View::contiguous((1 << 35) - (1 << 17) - 1), MANY)?);
            }
            for (view, length) in [
                (View::rows(5, 5, 10), 100),
                (View::rows(5, 5, 10).skip(7), 3000),
                (View::rows(0, 1, 3), 70),
                (View::rows(3, 31, 32), 2500),
                (View::rows(3, 32, 64).skip(5), 2500),
                (View::rows(3, 33, 77).skip(32), 500),
                (View::rows(0, 1000, 1001).skip(999), 5000),
                (View::rows((1 << 32) - 50, 7, 100), 2100),
                (View::rows((1 << 35) - 50, 8, 16), 2100),
                (View::rows((1 << 40) + 3, 70, 1000).skip(11), 300),
                (View::rows(0, 3, (1 << 40) + 5).skip(1), 60),
                (View::rows(9, 5, 0xffff_ffff), 60),
                (View::rows(1, 3, 10).skip(1 << 33), 100),
                (View::rows((generator.index_end() - 907) as u64, 7, 100), 70),
                // Rows longer than 32 bits reach, and their ends.
                (View::rows(0, (1 << 32) + 4, 1 << 33).skip((1 << 32) - 60), 2100),
                (View::rows(0, 1 << 32, 1 << 33).skip((1 << 32) - 16), 70),
                (View::rows(3, (1 << 31) + 1, (1 << 31) + 9).skip((1 << 31) - 1000), 2100),
                (View::rows(1, (1 << 40) + 1, (1 << 41) + 3).skip((3 << 40) - 20), 2100),
                (View::rows(0, u64::MAX - 5, u64::MAX - 2).skip((1 << 59) - 70), 70),
            ] {
                rows.push(case(0.3, view, length)?);
            }
        }
        for &generator in Generator::ALL {
            for (view, length) in strided_views(generator)? {
                strided.push(Case::new(0.3, generator, view, length)?);
            }
        }
        Ok(Self { lengths, starts, probabilities, rows, strided })
    }

    /// All that is not one element after the other.
    pub fn views(&self) -> impl Iterator<Item = &Case> + Clone {
        self.rows.iter().chain(&self.strided)
    }
}

/// Views with strides of every sort, and how many elements there are: of most more than a tile.
pub fn strided_views(generator: Generator) -> Result<Vec<(View, u64)>, Error> {
    let end = if generator == Generator::Philox { generator.normal_end() } else { generator.index_end() };
    let last = |offset: u64| (end - 1 - u128::from(offset)) as u64;
    let mut views = vec![];
    // Channels, whole rows, everything, time, channels last; eight axes.
    for (start, shape, axes) in [
        (5, &[3, 5, 20, 7][..], &[2, 3][..]),
        (0, &[7, 601], &[1]),
        (1, &[2100], &[0]),
        (2, &[20, 9, 17], &[0]),
        (3, &[4, 133, 5], &[1]),
        (11, &[2, 3, 2, 3, 2, 3, 2, 8], &[0, 2, 4, 6]),
        (11, &[2, 3, 2, 3, 2, 3, 2, 8], &[1, 3, 5, 7]),
        ((1 << 32) - 7, &[15, 4, 40], &[2]),
        ((1 << 35) - 70, &[5, 21, 30], &[0]),
        (last(104), &[5, 21, 30], &[2]),
    ] {
        views.push((View::shared(start, shape, axes)?, shape.iter().product()));
    }
    for (start, shape, strides) in [
        // Gaps, an order other than of the rows, and strides past 32 bits.
        (3, &[70, 31][..], &[100, 3][..]),
        (3, &[64, 35], &[1, 64]),
        ((1 << 32) - 40, &[30, 75], &[76, 1]),
        ((1 << 35) - 100, &[50, 6, 7], &[3, 0, 1]),
        (9, &[40, 53], &[(1 << 40) + 3, 1]),
        (9, &[21, 101], &[1, 0xffff_ffff]),
        (4, &[2, 3, 2, 3, 2, 3, 2, 8], &[1000, 0, 300, 7, 0, 40, 1, 0]),
        (4, &[2, 3, 2, 3, 2, 3, 2, 8], &[1 << 40, 31, 0, 0, 5, 2, 0, 3]),
        (last(20 * 300 + 104), &[21, 105], &[300, 1]),
    ] {
        views.push((View::strided(start, shape, strides)?, shape.iter().product()));
    }
    for (start, shape, strides, skip, length) in [
        // Axes longer than 32 bits reach, shared and not, and their ends.
        (0, &[4, 1 << 32][..], &[1 << 33, 1][..], (1 << 32) - 1000, 2100),
        (7, &[3, 1 << 31, 5], &[1 << 50, 0, 1], (1 << 31) * 5 - 703, 2100),
        (7, &[2, 1 << 33], &[5, 0], (1 << 33) - 333, 2100),
        (1, &[1 << 33, 3], &[2, 1], (3 << 32) - 100, 2100),
        (1, &[5, 1 << 34, 3], &[1 << 52, 3, 1], (3 << 34) - 50, 2100),
        (2, &[1 << 40, 2, 3], &[3, 0, 1], (1 << 41) + 5, 2100),
        (2, &[5, 1 << 16, 1 << 16], &[9, 1, 0], (1 << 32) - 77, 2100),
        // Few elements, from the middle.
        (3, &[4, 5, 6], &[6, 0, 1], 13, 100),
        (3, &[7], &[5], 2, 5),
    ] {
        views.push((View::strided(start, shape, strides)?.skip(skip), length));
    }
    for (start, shape, axes, skip) in [
        // Samples, a vocabulary, single decisions, and axes of every sort.
        (5, &[180, 12][..], &[][..], 0),
        (0, &[43, 50], &[1], 0),
        (3, &[500], &[], 0),
        (6, &[8, 2, 5, 30], &[2], 0),
        (6, &[30, 2, 3, 2, 3, 2, 1, 2], &[2, 4, 7], 0),
        (6, &[6, 5, 70], &[1, 2], 13),
        ((1 << 32) - 5, &[21, 101], &[], 240),
        ((1 << 35) - 5, &[3, 7, 101], &[1], 0),
        ((end - (15 << 32)) as u64, &[300, 15], &[], 1),
    ] {
        let all = shape.iter().product::<u64>();
        views.push((View::shared(start, shape, axes)?.gathered()?.skip(skip), all - skip));
    }
    Ok(views)
}

/// Ids of rows: the first, the last and others, some of them again.
fn row_ids(rows: u64) -> Vec<u32> {
    const SOME: [u32; 6] = [7, 0, u32::MAX, 7, 0x8000_0000, 0x7fff_ffff];
    let mixed = |i: u32| SOME.get((i % 11) as usize).copied().unwrap_or(i.wrapping_mul(0x9e37_79b1));
    (0..rows as u32).map(mixed).collect()
}

impl Case {
    pub fn new(p: f64, generator: Generator, view: View, length: u64) -> Result<Self, Error> {
        Self::of(p, Dropout::new(p)?.with_generator(generator).mask(KEY).at(view), length)
    }

    /// With ids of the rows of a gathered mask.
    pub fn of(p: f64, mask: Mask, length: u64) -> Result<Self, Error> {
        let row_ids = mask.view().is_gathered().then(|| row_ids(mask.view().row_ids()));
        Self::with_row_ids(p, mask, length, row_ids)
    }

    pub fn with_row_ids(p: f64, mask: Mask, length: u64, row_ids: Option<Vec<u32>>) -> Result<Self, Error> {
        let keep = match &row_ids {
            _ if mask.kind() == Kind::Gaussian => vec![u32::MAX; length.div_ceil(32) as usize],
            Some(ids) => reference::gathered_keep_mask(&mask, length, ids)?,
            None => reference::keep_mask(&mask, length)?,
        };
        Ok(Self { p, mask, length, row_ids, keep })
    }

    pub fn keeps(&self, local: u64) -> bool {
        self.keep[(local >> 5) as usize] >> (local & 31) & 1 == 1
    }

    /// Where an element is, for messages.
    pub fn element(&self, local: u64) -> String {
        format!("element {local} (index {}) of {self}", self.index(local))
    }

    /// Of what governs an element.
    pub fn index(&self, local: u64) -> u64 {
        self.mask.view().gathered_index(local, self.row_ids.as_deref().unwrap_or_default())
    }

    /// Zeros, infinities, NaNs, subnormals, the largest and the smallest, and normal numbers of every size. The period
    /// has no common factor with a group, so each comes to every lane.
    pub fn input(&self, dtype: Dtype) -> Vec<u32> {
        (0..self.length as u32)
            .map(|i| {
                let special = SPECIAL.get((i % 37) as usize).copied();
                let mixed = i.wrapping_add(1).wrapping_mul(0x9e37_79b1);
                match dtype {
                    Dtype::F32 => special.unwrap_or_else(|| {
                        let exponent = (mixed >> 23 & 0xff) % 254 + 1;
                        mixed & 0x807f_ffff | exponent << 23
                    }),
                    // Every pattern of 16 bits is checked elsewhere; these come from all over.
                    _ => special.unwrap_or(mixed) >> 16,
                }
            })
            .collect()
    }
}

const SPECIAL: [u32; 14] = [
    0x0000_0000, // 0
    0x8000_0000, // -0
    0x7f80_0000, // infinity
    0xff80_0000,
    0x7fc0_0000, // NaN
    0xffc0_0001,
    0x7fa0_0001, // signalling
    0x0000_0001, // subnormal
    0x807f_ffff,
    0x0040_0000,
    0x0080_0000, // smallest normal
    0x7f7f_ffff, // largest
    0x3f80_0000, // 1
    0xbf80_0000,
];

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (key, generator, view) = (self.mask.key(), self.mask.generator(), self.mask.view());
        write!(f, "{generator}, p {}, seed {}, stream {}, ", self.p, key.seed, key.stream)?;
        if self.mask.kind() != Kind::Inverted {
            write!(f, "{}, ", self.mask.kind())?;
        }
        if !view.is_contiguous() {
            let (shape, strides, skipped) = (view.shape(), view.strides(), view.skipped());
            let gathered = if view.is_gathered() { ", rows gathered" } else { "" };
            write!(f, "shape {shape:?}, strides {strides:?} after {skipped}{gathered}, ")?;
        }
        write!(f, "start {}, {} elements", view.start(), self.length)
    }
}
