//! Philox-4×32 with 10 rounds, as in Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011, and in
//! Random123's `philox.h`.

/// Multipliers (`PHILOX_M4x32_*`).
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];

/// What the key grows by after each round (`PHILOX_W32_*`: the golden ratio and √3 − 1).
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

/// One block of four random words.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    philox4x32(10, counter, key)
}

/// The same with any number of rounds, so that tests can break it on purpose.
pub fn philox4x32(rounds: usize, counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let mut x = counter;
    let mut key = key;
    for _ in 0..rounds {
        let product_0 = u64::from(MULTIPLIERS[0]) * u64::from(x[0]);
        let product_1 = u64::from(MULTIPLIERS[1]) * u64::from(x[2]);
        x = [
            (product_1 >> 32) as u32 ^ x[1] ^ key[0],
            product_1 as u32,
            (product_0 >> 32) as u32 ^ x[3] ^ key[1],
            product_0 as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    x
}
