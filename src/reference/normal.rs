//! Normal noise, domain 1: the same bits everywhere, because it is made of integers.

use super::{dropout::reserve, random_block};
use crate::{Error, Generator, Key, normal_table::NORMAL_TABLE};

/// The domain of the normals' random blocks.
pub const NORMAL_DOMAIN: u32 = 1;

/// The normal that a random word u gives, in units of 2⁻²¹; never 0, and at most 13,291,661 = 6.338·2²¹ either way.
///
/// It approximates −Φ⁻¹(m·2⁻³³), where the odd number m = 2u + 1 mod 2³² has lost u's highest bit, the sign: an octave
/// of the tail takes 16 segments of the table.
pub fn normal_q21(u: u32) -> i32 {
    normal_q21_of(&NORMAL_TABLE, u)
}

/// The same with any table, so that tests can break it on purpose.
pub fn normal_q21_of(table: &[[u32; 3]; 512], u: u32) -> i32 {
    let m = u << 1 | 1;
    let octave = m.leading_zeros();
    let n = m << octave;
    let [a, b, c] = table[(16 * octave + (n >> 27 & 15)) as usize];
    let x = n >> 11 & 0xffff;
    let z = (a - ((x * (b - ((x * c) >> 16))) >> 15)) as i32;
    if u >> 31 == 1 { -z } else { z }
}

/// The standard normal of an index: word `index & 3` of the block of group `index >> 2`.
///
/// With Philox, indexes are below 2⁵⁸ ([`Generator::normal_end`]).
pub fn normal(generator: Generator, key: Key, index: u64) -> f32 {
    let block = random_block(generator, key, index >> 2, 0, NORMAL_DOMAIN);
    from_q21(normal_q21(block[(index & 3) as usize]))
}

/// The standard normals of `count` indexes from `start` on.
///
/// # Errors
/// [`Error::IndexRange`] when they reach past [`Generator::normal_end`], [`Error::OutOfMemory`] when the host has no room
/// for them.
pub fn normals(generator: Generator, key: Key, start: u64, count: u64) -> Result<Vec<f32>, Error> {
    collect(generator, key, start, count, |u| from_q21(normal_q21(u)))
}

/// [`normals`] as integers, in units of 2⁻²¹.
///
/// # Errors
/// As [`normals`].
pub fn normals_q21(generator: Generator, key: Key, start: u64, count: u64) -> Result<Vec<i32>, Error> {
    collect(generator, key, start, count, normal_q21)
}

/// z·2⁻²¹, exact: z has at most 24 bits.
fn from_q21(z: i32) -> f32 {
    z as f32 * (1.0 / 2_097_152.0)
}

/// A block at a time, because one generator call serves four indexes.
fn collect<T>(
    generator: Generator,
    key: Key,
    start: u64,
    count: u64,
    make: impl Fn(u32) -> T,
) -> Result<Vec<T>, Error> {
    generator.check_normals(start, count)?;
    let mut result = reserve(count)?;
    let (mut group, mut lane) = (start >> 2, (start & 3) as usize);
    let mut left = count as usize;
    while left > 0 {
        let block = random_block(generator, key, group, 0, NORMAL_DOMAIN);
        let taken = left.min(4 - lane);
        result.extend(block[lane..][..taken].iter().map(|&u| make(u)));
        (group, lane, left) = (group.wrapping_add(1), 0, left - taken);
    }
    Ok(result)
}
