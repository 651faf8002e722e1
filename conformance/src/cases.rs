//! The masks and inputs that every device is checked with, and what the CPU reference says of them.

use wgpu_dropout::{Dropout, Dtype, Error, Generator, Key, Mask, View, reference};

/// One mask over some elements.
pub struct Case {
    pub p: f64,
    pub mask: Mask,
    pub length: u64,
    /// The packed mask.
    pub keep: Vec<u32>,
}

/// By what they look at.
pub struct Cases {
    pub lengths: Vec<Case>,
    pub starts: Vec<Case>,
    pub probabilities: Vec<Case>,
    pub rows: Vec<Case>,
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
        Ok(Self { lengths, starts, probabilities, rows })
    }
}

impl Case {
    pub fn new(p: f64, generator: Generator, view: View, length: u64) -> Result<Self, Error> {
        Self::of(p, Dropout::new(p)?.with_generator(generator).mask(KEY).at(view), length)
    }

    pub fn of(p: f64, mask: Mask, length: u64) -> Result<Self, Error> {
        Ok(Self { p, mask, length, keep: reference::keep_mask(&mask, length)? })
    }

    pub fn keeps(&self, local: u64) -> bool {
        self.keep[(local >> 5) as usize] >> (local & 31) & 1 == 1
    }

    /// Where an element is, for messages.
    pub fn element(&self, local: u64) -> String {
        format!("element {local} (index {}) of {self}", self.mask.view().index(local))
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
        if !view.is_contiguous() {
            let (shape, strides, skipped) = (view.shape(), view.strides(), view.skipped());
            write!(f, "shape {shape:?}, strides {strides:?} after {skipped}, ")?;
        }
        write!(f, "start {}, {} elements", view.start(), self.length)
    }
}
