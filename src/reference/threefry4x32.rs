//! Threefry-4×32 with 20 rounds, as in Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011, and in
//! Random123's `threefry.h`.

/// Rotation distances of two mixes a round, repeating after 8 rounds (`R_32x4_*` in Random123).
const ROTATIONS: [[u32; 2]; 8] = [[10, 26], [11, 21], [13, 27], [23, 5], [6, 20], [17, 11], [25, 10], [18, 20]];

/// The key schedule's parity constant (`SKEIN_KS_PARITY32`).
const KEY_PARITY: u32 = 0x1bd1_1bda;

/// One block of four random words.
pub fn threefry4x32_20(counter: [u32; 4], key: [u32; 4]) -> [u32; 4] {
    threefry4x32(20, counter, key)
}

/// The same with any number of rounds, so that tests can break it on purpose.
pub fn threefry4x32(rounds: usize, counter: [u32; 4], key: [u32; 4]) -> [u32; 4] {
    let key = [key[0], key[1], key[2], key[3], KEY_PARITY ^ key[0] ^ key[1] ^ key[2] ^ key[3]];
    let mut x: [u32; 4] = std::array::from_fn(|i| counter[i].wrapping_add(key[i]));
    for round in 0..rounds {
        let [first, second] = ROTATIONS[round % 8];
        // Even rounds mix words (0, 1) and (2, 3), odd rounds (0, 3) and (2, 1).
        let (a, b) = if round % 2 == 0 { (1, 3) } else { (3, 1) };
        x[0] = x[0].wrapping_add(x[a]);
        x[a] = x[a].rotate_left(first) ^ x[0];
        x[2] = x[2].wrapping_add(x[b]);
        x[b] = x[b].rotate_left(second) ^ x[2];
        if round % 4 == 3 {
            let injection = round / 4 + 1;
            for (i, word) in x.iter_mut().enumerate() {
                *word = word.wrapping_add(key[(injection + i) % 5]);
            }
            x[3] = x[3].wrapping_add(injection as u32);
        }
    }
    x
}
