//! The masks and inputs that every adapter is checked with, and what the CPU reference says of them.

use wgpu_dropout::{Dropout, Error, Generator, Key, Mask, reference};

/// One mask over some elements.
pub(crate) struct Case {
    pub p: f64,
    pub mask: Mask,
    pub length: u64,
    /// The packed mask.
    pub keep: Vec<u32>,
}

pub(crate) struct Cases {
    pub all: Vec<Case>,
}

const KEY: Key = Key { seed: 0x0123_4567_89ab_cdef, stream: 0xfedc_ba98_7654_3210 };

/// Here the threshold's low half is 15: a tie of the high halves is decided by the second part of the random bits.
const TIES: f64 = 0.062_499_996_507_540_345;

/// Around a lane group, a word of the packed mask, a workgroup, and what is moved at once.
const LENGTHS: [u64; 15] = [1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 2047, 2048, 2049, 4096, 4099];

/// None: the last elements that can be addressed. The others lie around the carries of the group and of the index.
const STARTS: [Option<u64>; 6] =
    [Some(0), Some(5), Some((1 << 32) - 3), Some((1 << 35) - 8), Some((1 << 40) + 3), None];

impl Cases {
    pub fn new() -> Result<Self, Error> {
        let mut all = vec![];
        for generator in Generator::ALL {
            let mut add = |p, start: Option<u64>, length| -> Result<(), Error> {
                let start = start.unwrap_or((generator.index_end() - u128::from(length)) as u64);
                let mask = Dropout::new(p)?.with_generator(generator).mask(KEY).at(start);
                all.push(Case { p, mask, length, keep: reference::keep_mask(&mask, length)? });
                Ok(())
            };
            for start in STARTS {
                for length in LENGTHS {
                    add(0.1, start, length)?;
                }
            }
            for p in [0.0, 1.0, 1e-10, 0.25, 0.5, TIES, 0.9, 0.999_999_999_9] {
                add(p, Some(0), 4099)?;
                add(p, Some((1 << 32) - 3), 2049)?;
            }
            for p in [0.1, TIES] {
                add(p, Some(0), (1 << 18) + 17)?;
                add(p, Some((1 << 35) - (1 << 17) - 1), (1 << 18) + 17)?;
            }
        }
        Ok(Self { all })
    }
}

impl Case {
    pub fn keeps(&self, local: u64) -> bool {
        self.keep[(local >> 5) as usize] >> (local & 31) & 1 == 1
    }

    /// Where an element is, for messages.
    pub fn element(&self, local: u64) -> String {
        format!("element {local} (index {}) of {self}", self.mask.view().index(local))
    }

    /// Zeros, infinities, NaNs, subnormals, the largest and the smallest, and normal numbers of every size.
    /// The period has no common factor with a group, so each comes to every lane.
    pub fn input(&self, salt: u64) -> Vec<f32> {
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
        (0..self.length)
            .map(|local| {
                let position = local + salt;
                let bits = SPECIAL.get((position % 37) as usize).copied().unwrap_or_else(|| {
                    let mixed = (position as u32).wrapping_add(1).wrapping_mul(0x9e37_79b1);
                    let exponent = (mixed >> 23 & 0xff) % 254 + 1;
                    mixed & 0x807f_ffff | exponent << 23
                });
                f32::from_bits(bits)
            })
            .collect()
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (key, generator, start) = (self.mask.key(), self.mask.generator(), self.mask.view().start());
        let (seed, stream) = (key.seed, key.stream);
        write!(f, "{generator}, p {}, seed {seed}, stream {stream}, start {start}, {} elements", self.p, self.length)
    }
}
