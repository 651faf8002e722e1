//! The reference's masks and uniforms, and those of rules broken on purpose.

use std::cmp::Ordering;

use wgpu_dropout::{Dropout, Generator, Key, reference};

use crate::scores::Bits;

#[derive(Clone, Copy)]
pub enum Rule {
    Reference(Generator),
    Broken(&'static Fault),
}

/// A rule broken on purpose: it has its own `halves` or `threshold` and is otherwise the keep rule.
pub struct Fault {
    pub name: &'static str,
    pub halves: Halves,
    pub threshold: fn(f64) -> u64,
    /// The names of those of [`TESTS`](crate::TESTS) that catch it, and no others do.
    pub caught_by: &'static [&'static str],
}

/// The 16 bits of each of the eight lanes, from key, group and part.
pub type Halves = fn(Key, u64, u32) -> [u16; 8];

impl Rule {
    /// The masks of `length` elements from logical index `start`, both multiples of 64, for several p.
    pub fn masks<const N: usize>(self, key: Key, probabilities: [f64; N], start: u64, length: u64) -> [Bits; N] {
        let fault = match self {
            Self::Reference(generator) => {
                return probabilities.map(|p| {
                    let mask = Dropout::new(p).unwrap().with_generator(generator).mask(key).at(start);
                    let words = reference::keep_mask(&mask, length).unwrap();
                    let pairs = words.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32);
                    Bits { words: pairs.collect(), probability: 1.0 - p }
                });
            }
            Self::Broken(fault) => fault,
        };
        let thresholds = probabilities.map(fault.threshold);
        let mut masks = probabilities.map(|p| Bits { words: vec![0; length as usize / 64], probability: 1.0 - p });
        for group in 0..length / 8 {
            let high = (fault.halves)(key, start / 8 + group, 0);
            for (mask, threshold) in masks.iter_mut().zip(thresholds) {
                for (lane, half) in high.into_iter().enumerate() {
                    let low = || (fault.halves)(key, start / 8 + group, 1)[lane];
                    let keep = match u64::from(half).cmp(&(threshold >> 16)) {
                        Ordering::Less => true,
                        Ordering::Equal => u64::from(low()) < threshold & 0xffff,
                        Ordering::Greater => false,
                    };
                    mask.words[group as usize / 8] |= u64::from(keep) << (group % 8 * 8 + lane as u64);
                }
            }
        }
        masks
    }

    pub fn mask(self, key: Key, p: f64, start: u64, length: u64) -> Bits {
        let [mask] = self.masks(key, [p], start, length);
        mask
    }

    /// The uniforms of the first elements.
    pub fn uniforms(self, key: Key, length: u64) -> Vec<u32> {
        match self {
            Self::Reference(generator) => (0..length).map(|index| reference::uniform(generator, key, index)).collect(),
            Self::Broken(fault) => {
                let group = |group| {
                    let [high, low] = [0, 1].map(|part| (fault.halves)(key, group, part));
                    (0..8).map(move |lane| u32::from(high[lane]) << 16 | u32::from(low[lane]))
                };
                (0..length / 8).flat_map(group).collect()
            }
        }
    }
}

pub static FAULTS: [&[Fault]; 4] = [&TOO_FEW_ROUNDS, &NUMBERS_USED_TWICE, &KEYS_CONFUSED, &WRONG_PROBABILITIES];

/// Threefry is caught with up to 8 of its 20 rounds and Philox with up to 5 of its 10; with 9 and 6 they pass.
pub static TOO_FEW_ROUNDS: [Fault; 5] = [
    Fault {
        name: "Threefry with 2 rounds",
        halves: |key, group, part| threefry(2, key, group, part),
        threshold,
        caught_by: &["rate", "places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "Threefry with 8 rounds",
        halves: |key, group, part| threefry(8, key, group, part),
        threshold,
        caught_by: &["keys"],
    },
    Fault {
        name: "Philox with 2 rounds",
        halves: |key, group, part| philox(reference::philox4x32, 2, key, group, part),
        threshold,
        caught_by: &["rate", "places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "Philox with 5 rounds",
        halves: |key, group, part| philox(reference::philox4x32, 5, key, group, part),
        threshold,
        caught_by: &["groups", "far", "keys", "halves"],
    },
    Fault {
        name: "Philox without a carry in its multiply-high, random all the same",
        halves: |key, group, part| philox(philox4x32_without_carry, 10, key, group, part),
        threshold,
        caught_by: &[],
    },
];

pub static NUMBERS_USED_TWICE: [Fault; 6] = [
    Fault {
        name: "lanes 4-7 use the bits of lanes 0-3",
        halves: |key, group, part| chosen(sound(key, group, part), |lane| lane % 4),
        threshold,
        caught_by: &["neighbours", "group", "rows", "keys", "halves"],
    },
    Fault {
        name: "four elements share a decision",
        halves: |key, group, part| chosen(sound(key, group, part), |lane| lane & 4),
        threshold,
        caught_by: &["neighbours", "group", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "lane 7 uses the bits of lane 2 of the next group",
        halves: |key, group, part| {
            let mut halves = sound(key, group, part);
            halves[7] = sound(key, group + 1, part)[2];
            halves
        },
        threshold,
        caught_by: &["neighbours", "groups"],
    },
    Fault {
        name: "every row of 1,000 has the same mask",
        halves: |key, group, part| sound(key, group % 125, part),
        threshold,
        caught_by: &["rate", "places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "every 16th row of 1,000 repeats the row before it",
        halves: |key, group, part| {
            let repeats = group / 125 % 16 == 15;
            sound(key, if repeats { group - 125 } else { group }, part)
        },
        threshold,
        caught_by: &["rows"],
    },
    Fault {
        name: "the index wraps at 32 bits",
        halves: |key, group, part| sound(key, group & 0x1fff_ffff, part),
        threshold,
        caught_by: &["far"],
    },
];

pub static KEYS_CONFUSED: [Fault; 4] = [
    Fault {
        name: "the stream is ignored",
        halves: |key, group, part| sound(Key::new(key.seed), group, part),
        threshold,
        caught_by: &["keys"],
    },
    Fault {
        name: "only 32 bits of the seed are used",
        halves: |key, group, part| sound(Key { seed: key.seed & 0xffff_ffff, ..key }, group, part),
        threshold,
        caught_by: &["keys"],
    },
    Fault {
        name: "seed and stream are added",
        halves: |key, group, part| sound(Key::new(key.seed.wrapping_add(key.stream)), group, part),
        threshold,
        caught_by: &["keys"],
    },
    Fault {
        name: "the stream is added to the group, so that the next step's mask is this one, shifted",
        halves: |key, group, part| sound(Key::new(key.seed), group.wrapping_add(key.stream), part),
        threshold,
        caught_by: &["keys"],
    },
];

pub static WRONG_PROBABILITIES: [Fault; 5] = [
    Fault {
        name: "the probability to keep is rounded to n/256",
        halves: sound,
        threshold: |p| ((1.0 - p) * 256.0).round() as u64 * (1 << 24),
        caught_by: &["rate"],
    },
    Fault {
        name: "lanes 6 and 7 lean in opposite ways, so that the rate is right",
        halves: |key, group, part| {
            let mut halves = sound(key, group, part);
            halves[6] |= 0x8000;
            halves[7] &= 0x7fff;
            halves
        },
        threshold,
        caught_by: &["places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "the high halves are shifted by 17 instead of 16",
        halves: |key, group, part| {
            let mut halves = sound(key, group, part);
            halves[4..].iter_mut().for_each(|half| *half >>= 1);
            halves
        },
        threshold,
        caught_by: &["rate", "places", "neighbours", "group", "groups", "rows", "far", "keys", "halves"],
    },
    Fault {
        name: "part 1 is missing: the low half is 0",
        halves: |key, group, part| if part == 0 { sound(key, group, 0) } else { [0; 8] },
        threshold,
        caught_by: &["halves"],
    },
    Fault {
        name: "the part is not in the counter: the low half is the high half again",
        halves: |key, group, _| sound(key, group, 0),
        threshold,
        caught_by: &["halves"],
    },
];

/// The sound rule, which most faults start from.
pub fn sound(key: Key, group: u64, part: u32) -> [u16; 8] {
    threefry(20, key, group, part)
}

pub fn threshold(p: f64) -> u64 {
    Dropout::new(p).unwrap().threshold()
}

fn threefry(rounds: usize, key: Key, group: u64, part: u32) -> [u16; 8] {
    let ([group_lo, group_hi], [seed_lo, seed_hi], [stream_lo, stream_hi]) =
        (words(group), words(key.seed), words(key.stream));
    let counter = [group_lo, group_hi, part, 0];
    lanes(reference::threefry4x32(rounds, counter, [seed_lo, seed_hi, stream_lo, stream_hi]))
}

type Philox = fn(usize, [u32; 4], [u32; 2]) -> [u32; 4];

pub fn philox(generator: Philox, rounds: usize, key: Key, group: u64, part: u32) -> [u16; 8] {
    let ([group_lo, group_hi], [stream_lo, stream_hi]) = (words(group), words(key.stream));
    lanes(generator(rounds, [group_lo, group_hi | part << 31, stream_lo, stream_hi], words(key.seed)))
}

/// The 64-bit product from 16-bit limbs, as a shader without wide integers makes it, but the low limbs' product and
/// what the middle ones lose are never carried.
fn philox4x32_without_carry(rounds: usize, mut x: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let high = |a: u32, b: u32| {
        let [a_lo, a_hi, b_lo, b_hi] = [a & 0xffff, a >> 16, b & 0xffff, b >> 16];
        (a_hi * b_hi).wrapping_add((a_hi * b_lo).wrapping_add(a_lo * b_hi) >> 16)
    };
    let [m0, m1] = [0xd251_1f53, 0xcd9e_8d57];
    for _ in 0..rounds {
        let (high_0, high_1) = (high(m0, x[0]), high(m1, x[2]));
        x = [high_1 ^ x[1] ^ key[0], m1.wrapping_mul(x[2]), high_0 ^ x[3] ^ key[1], m0.wrapping_mul(x[0])];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    x
}

fn words(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

fn lanes(block: [u32; 4]) -> [u16; 8] {
    std::array::from_fn(|lane| (block[lane % 4] >> (lane / 4 * 16)) as u16)
}

fn chosen(halves: [u16; 8], lane: fn(usize) -> usize) -> [u16; 8] {
    std::array::from_fn(|i| halves[lane(i)])
}
