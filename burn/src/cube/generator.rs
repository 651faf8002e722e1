//! The generators: `reference/threefry4x32.rs` and `reference/philox4x32.rs` of the library. Additions and products wrap.

use cubecl::prelude::*;

/// Four words: a counter, a key, or what is drawn.
#[derive(CubeType, Clone, Copy)]
#[expand(derive(Clone, Copy))]
pub(super) struct Block {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) z: u32,
    pub(super) w: u32,
}

/// Rotation distances of two mixes a round, repeating after 8 rounds.
const ROTATIONS: [[u32; 2]; 8] = [[10, 26], [11, 21], [13, 27], [23, 5], [6, 20], [17, 11], [25, 10], [18, 20]];

const KEY_PARITY: u32 = 0x1bd1_1bda;

#[cube]
fn rotate_left(x: u32, #[comptime] distance: u32) -> u32 {
    (x << distance) | (x >> comptime!(32 - distance))
}

#[cube]
pub(super) fn threefry4x32_20(counter: Block, key: Block) -> Block {
    let mut keys = Sequence::<u32>::new();
    keys.push(key.x);
    keys.push(key.y);
    keys.push(key.z);
    keys.push(key.w);
    keys.push(key.x ^ key.y ^ key.z ^ key.w ^ KEY_PARITY);
    let mut x = counter.x + key.x;
    let mut y = counter.y + key.y;
    let mut z = counter.z + key.z;
    let mut w = counter.w + key.w;
    #[unroll]
    for pair in 0..10u32 {
        let even = comptime!(ROTATIONS[(2 * pair % 8) as usize]);
        x += y;
        y = rotate_left(y, comptime!(even[0])) ^ x;
        z += w;
        w = rotate_left(w, comptime!(even[1])) ^ z;
        let odd = comptime!(ROTATIONS[(2 * pair % 8 + 1) as usize]);
        x += w;
        w = rotate_left(w, comptime!(odd[0])) ^ x;
        z += y;
        y = rotate_left(y, comptime!(odd[1])) ^ z;
        if comptime!(pair % 2 == 1) {
            let injection = comptime!(pair.div_ceil(2));
            x += keys[comptime!((injection % 5) as usize)];
            y += keys[comptime!(((injection + 1) % 5) as usize)];
            z += keys[comptime!(((injection + 2) % 5) as usize)];
            w += keys[comptime!(((injection + 3) % 5) as usize)] + injection;
        }
    }
    Block { x, y, z, w }
}

/// Of a key, its first two words.
#[cube]
pub(super) fn philox4x32_10(counter: Block, key: Block) -> Block {
    let mut x = counter.x;
    let mut y = counter.y;
    let mut z = counter.z;
    let mut w = counter.w;
    let mut key_0 = key.x;
    let mut key_1 = key.y;
    #[unroll]
    for _round in 0..10u32 {
        let low_0 = x * 0xd251_1f53u32;
        let high_0 = x.mul_hi(0xd251_1f53u32);
        let low_1 = z * 0xcd9e_8d57u32;
        let high_1 = z.mul_hi(0xcd9e_8d57u32);
        x = high_1 ^ y ^ key_0;
        y = low_1;
        z = high_0 ^ w ^ key_1;
        w = low_0;
        key_0 += 0x9e37_79b9u32;
        key_1 += 0xbb67_ae85u32;
    }
    Block { x, y, z, w }
}
