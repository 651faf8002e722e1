//! The reference's normals, and those of sources broken on purpose.

use std::sync::LazyLock;

use wgpu_dropout::{
    Generator, Key,
    normal_table::NORMAL_TABLE,
    reference::{self, normal_q21, normal_q21_of},
};

#[derive(Clone, Copy)]
pub enum Source {
    Reference(Generator),
    Broken(&'static Fault),
}

/// A source broken on purpose: it has its own `block` or `normal` and is otherwise the reference.
pub struct Fault {
    pub name: &'static str,
    pub block: Block,
    pub normal: fn(u32) -> i32,
    /// The names of those of [`TESTS`](crate::TESTS) that catch it, and no others do.
    pub caught_by: &'static [&'static str],
}

/// The four words of a block, from key, group and domain.
pub type Block = fn(Key, u64, u32) -> [u32; 4];

impl Source {
    /// `length` normals from index `start`, both multiples of 4.
    pub fn normals(self, key: Key, start: u64, length: u64) -> Vec<f64> {
        let q21: Vec<i32> = match self {
            Self::Reference(generator) => reference::normals_q21(generator, key, start, length).unwrap(),
            Self::Broken(fault) => (start / 4..(start + length) / 4)
                .flat_map(|group| (fault.block)(key, group, 1).map(fault.normal))
                .collect(),
        };
        q21.into_iter().map(value).collect()
    }

    pub fn block(self, key: Key, group: u64, domain: u32) -> [u32; 4] {
        match self {
            Self::Reference(generator) => reference::random_block(generator, key, group, 0, domain),
            Self::Broken(fault) => (fault.block)(key, group, domain),
        }
    }
}

/// A normal from its units of 2⁻²¹.
pub fn value(q21: i32) -> f64 {
    f64::from(q21) / f64::from(1 << 21)
}

pub const FAULTS: [&[Fault]; 3] = [&BROKEN_TABLES, &BROKEN_GENERATORS, &WORDS_USED_TWICE];

type Table = [[u32; 3]; 512];

fn changed(change: impl Fn(usize, [u32; 3]) -> [u32; 3]) -> Table {
    std::array::from_fn(|entry| change(entry, NORMAL_TABLE[entry]))
}

pub static BROKEN_TABLES: [Fault; 9] = [
    Fault {
        name: "one entry is the one before it",
        block: sound,
        normal: |u| {
            static TABLE: LazyLock<Table> =
                LazyLock::new(|| changed(|entry, row| if entry == 5 { NORMAL_TABLE[4] } else { row }));
            normal_q21_of(&TABLE, u)
        },
        caught_by: &["distribution"],
    },
    Fault {
        name: "one entry in a tail is that of an octave before",
        block: sound,
        normal: |u| {
            static TABLE: LazyLock<Table> =
                LazyLock::new(|| changed(|entry, row| if entry == 33 { NORMAL_TABLE[17] } else { row }));
            normal_q21_of(&TABLE, u)
        },
        caught_by: &["distribution"],
    },
    Fault {
        name: "everything is 1.5 percent too wide",
        block: sound,
        normal: |u| (f64::from(normal_q21(u)) * 1.015) as i32,
        caught_by: &["moments", "distribution"],
    },
    Fault {
        name: "the slopes are missing: steps",
        block: sound,
        normal: |u| {
            static TABLE: LazyLock<Table> = LazyLock::new(|| changed(|_, [a, _, _]| [a, 0, 0]));
            normal_q21_of(&TABLE, u)
        },
        caught_by: &["moments", "distribution"],
    },
    Fault {
        name: "the tail ends at the sixth octave",
        block: sound,
        normal: |u| {
            static TABLE: LazyLock<Table> =
                LazyLock::new(|| changed(|entry, row| if entry < 96 { row } else { [NORMAL_TABLE[95][0], 0, 0] }));
            normal_q21_of(&TABLE, u)
        },
        caught_by: &["moments", "distribution"],
    },
    Fault {
        name: "the octave is one too deep from the eighth on",
        block: sound,
        normal: |u| {
            static TABLE: LazyLock<Table> = LazyLock::new(|| {
                changed(|entry, row| if entry < 128 { row } else { NORMAL_TABLE[(entry + 16).min(511)] })
            });
            normal_q21_of(&TABLE, u)
        },
        caught_by: &["moments"],
    },
    Fault {
        name: "the sign is missing",
        block: sound,
        normal: |u| normal_q21(u & 0x7fff_ffff),
        caught_by: &["moments", "distribution", "lanes", "neighbours", "blocks", "far", "keys"],
    },
    Fault {
        name: "the sign is a bit of the size too",
        block: sound,
        normal: |u| normal_q21(u & 0x7fff_ffff | (u & 1 << 30) << 1),
        caught_by: &["moments", "distribution", "lanes", "neighbours", "blocks", "far", "keys"],
    },
    Fault {
        name: "a sum of four uniforms, which has no tails",
        block: sound,
        normal: |u| {
            let mut sum = -510.0;
            for byte in u.to_le_bytes() {
                sum += f64::from(byte);
            }
            // The variance of a byte is (256² − 1)/12.
            (sum / f64::sqrt(4.0 * 65_535.0 / 12.0) * f64::from(1 << 21)) as i32
        },
        caught_by: &["moments", "distribution", "lanes"],
    },
];

pub static BROKEN_GENERATORS: [Fault; 9] = [
    Fault {
        name: "Threefry with 4 rounds",
        block: |key, group, domain| threefry(4, key, group, domain),
        normal: normal_q21,
        caught_by: &["distribution", "lanes", "neighbours", "blocks", "far", "keys", "domains"],
    },
    Fault {
        name: "Threefry with 8 rounds",
        block: |key, group, domain| threefry(8, key, group, domain),
        normal: normal_q21,
        caught_by: &["keys"],
    },
    Fault {
        name: "Philox with 4 rounds",
        block: |key, group, domain| philox(4, key, group, domain),
        normal: normal_q21,
        caught_by: &["distribution", "neighbours", "blocks", "far", "keys", "domains"],
    },
    Fault {
        name: "the index wraps at 32 bits",
        block: |key, group, domain| sound(key, group & 0x3fff_ffff, domain),
        normal: normal_q21,
        caught_by: &["far"],
    },
    Fault {
        name: "the stream is ignored",
        block: |key, group, domain| sound(Key::new(key.seed), group, domain),
        normal: normal_q21,
        caught_by: &["keys"],
    },
    Fault {
        name: "only 32 bits of the seed are used",
        block: |key, group, domain| sound(Key { seed: key.seed & 0xffff_ffff, ..key }, group, domain),
        normal: normal_q21,
        caught_by: &["keys"],
    },
    Fault {
        name: "the stream is added to the group, so that the next step's normals are these, shifted",
        block: |key, group, domain| sound(Key::new(key.seed), group.wrapping_add(key.stream), domain),
        normal: normal_q21,
        caught_by: &["keys"],
    },
    Fault {
        name: "the domain is not in the counter",
        block: |key, group, _| sound(key, group, 0),
        normal: normal_q21,
        caught_by: &["domains"],
    },
    Fault {
        name: "the domain does no more than turn the lanes",
        block: |key, group, domain| rotated(sound(key, group, 0), domain),
        normal: normal_q21,
        caught_by: &["domains"],
    },
];

pub static WORDS_USED_TWICE: [Fault; 4] = [
    Fault {
        name: "lanes 2 and 3 use the words of lanes 0 and 1",
        block: |key, group, domain| {
            let [a, b, ..] = sound(key, group, domain);
            [a, b, a, b]
        },
        normal: normal_q21,
        caught_by: &["distribution", "lanes", "neighbours"],
    },
    Fault {
        name: "lane 3 has the size of lane 0, but for low bits, and a sign of its own",
        block: |key, group, domain| {
            let [a, b, c, d] = sound(key, group, domain);
            [a, b, c, a & 0x7ff0_0000 | d & 0x800f_ffff]
        },
        normal: normal_q21,
        caught_by: &["lanes", "neighbours"],
    },
    Fault {
        name: "lane 3 uses the word of lane 1 of the next block",
        block: |key, group, domain| {
            let mut block = sound(key, group, domain);
            block[3] = sound(key, group + 1, domain)[1];
            block
        },
        normal: normal_q21,
        caught_by: &["distribution", "neighbours", "blocks"],
    },
    Fault {
        name: "every row of 1,000 has the same normals",
        block: |key, group, domain| sound(key, group % 250, domain),
        normal: normal_q21,
        caught_by: &["moments", "distribution", "lanes", "neighbours", "blocks", "far", "keys", "domains"],
    },
];

/// The sound blocks, which most faults start from.
pub fn sound(key: Key, group: u64, domain: u32) -> [u32; 4] {
    threefry(20, key, group, domain)
}

fn threefry(rounds: usize, key: Key, group: u64, domain: u32) -> [u32; 4] {
    let ([group_lo, group_hi], [seed_lo, seed_hi], [stream_lo, stream_hi]) =
        (words(group), words(key.seed), words(key.stream));
    reference::threefry4x32(rounds, [group_lo, group_hi, 0, domain], [seed_lo, seed_hi, stream_lo, stream_hi])
}

pub fn philox(rounds: usize, key: Key, group: u64, domain: u32) -> [u32; 4] {
    let ([group_lo, group_hi], [stream_lo, stream_hi]) = (words(group), words(key.stream));
    reference::philox4x32(rounds, [group_lo, group_hi | domain << 24, stream_lo, stream_hi], words(key.seed))
}

fn rotated(block: [u32; 4], by: u32) -> [u32; 4] {
    std::array::from_fn(|lane| block[(lane + by as usize) % 4])
}

fn words(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}
