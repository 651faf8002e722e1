//! The keep rule, version 1: which elements a mask keeps. This is docs/format.md in Rust.

use super::{philox4x32_10, threefry4x32_20};
use crate::{Generator, Key, Mask};

/// What a random block is for. Other noise takes other domains; docs/format.md registers them.
pub const KEEP_DOMAIN: u32 = 0;

/// Whether the element at `local` position of the data, of the mask's view, is kept.
///
/// Indexes wrap at 2⁶⁴; [`Mask::check_length`] says whether they do.
pub fn keeps(mask: &Mask, local: u64) -> bool {
    u64::from(uniform(mask.generator(), mask.key(), mask.view().index(local))) < mask.threshold()
}

/// The 32-bit uniform of the element with a logical index. It does not depend on p.
pub fn uniform(generator: Generator, key: Key, index: u64) -> u32 {
    let (group, lane) = (index >> 3, (index & 7) as usize);
    let half = |part| u32::from(halves(random_block(generator, key, group, part, KEEP_DOMAIN))[lane]);
    half(0) << 16 | half(1)
}

/// The 16 bits of each of a block's eight lanes: the low halves of the four words, then the high halves.
pub(super) fn halves(block: [u32; 4]) -> [u16; 8] {
    std::array::from_fn(|lane| if lane < 4 { block[lane] as u16 } else { (block[lane - 4] >> 16) as u16 })
}

/// Four random words for a group of eight elements. `part` is 0 or 1, `domain` below 128 with Philox.
pub fn random_block(generator: Generator, key: Key, group: u64, part: u32, domain: u32) -> [u32; 4] {
    let [group_lo, group_hi] = words(group);
    let [seed_lo, seed_hi] = words(key.seed);
    let [stream_lo, stream_hi] = words(key.stream);
    match generator {
        Generator::Threefry => {
            threefry4x32_20([group_lo, group_hi, part, domain], [seed_lo, seed_hi, stream_lo, stream_hi])
        }
        Generator::Philox => {
            philox4x32_10([group_lo, group_hi | part << 31 | domain << 24, stream_lo, stream_hi], [seed_lo, seed_hi])
        }
    }
}

fn words(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}
