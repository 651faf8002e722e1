//! A key and a rate as they lie together in a buffer of a device: what a kernel computes with when only the buffer knows p.

use crate::{
    Key, Kind, Mask,
    effect::{self, Affine},
};

/// Words before each part; the key is the first.
const THRESHOLD: usize = 4;
const SCALE: usize = 5;
const ALPHA: usize = 6;
const SIGMA: usize = 9;
/// The last two are 0.
const WORDS: usize = 12;

impl Mask {
    /// Bytes of a key and a rate in a buffer.
    pub const KEY_AND_RATE_BYTES: u64 = 4 * WORDS as u64;

    /// The key and the rate, that is p, as they lie in a buffer of a device, for `Context::bind_key_and_rate`: so that what
    /// was recorded once follows a schedule of p. They are 12 little-endian 32-bit words:
    ///
    /// | words | |
    /// |---|---|
    /// | 0–3 | the key, as [`Key::to_bytes`] has it: word 2 is the step |
    /// | 4 | the threshold modulo 2³²; 0 both for p = 0 and for p = 1, which word 5 tells apart |
    /// | 5 | f32: what inverted dropout multiplies by, forward and backward, 1/(1 − p); 0 for p = 1 alone |
    /// | 6–8 | f32: scale, shift, and value of what is dropped, of alpha dropout; its backward pass takes the first; 0 for p = 1 |
    /// | 9 | f32: σ of Gaussian noise; NaN for p = 1, where it has none |
    /// | 10–11 | 0 |
    ///
    /// They are the same for masks of every kind, so that one buffer serves all that takes the key. They say nothing of the
    /// view, the generator and whether it is training: those are of the mask that is recorded. The numbers belong together:
    /// take them from here, and replace all of the words from 4 on at once.
    ///
    /// ```
    /// # use wgpu_dropout::{Dropout, Key};
    /// let bytes = Dropout::new(0.5)?.mask(Key::new(42)).key_and_rate();
    /// assert_eq!(bytes[..16], Key::new(42).to_bytes());
    /// assert_eq!(bytes[16..20], 0x8000_0000_u32.to_le_bytes());
    /// assert_eq!(bytes[20..24], 2.0_f32.to_le_bytes());
    /// # Ok::<(), wgpu_dropout::Error>(())
    /// ```
    pub fn key_and_rate(&self) -> [u8; Self::KEY_AND_RATE_BYTES as usize] {
        let threshold = self.dropout_threshold();
        // For p = 1 everything is dropped, and a dropped element is +0.
        let Affine { scale, shift, dropped } = match threshold {
            0 => Affine { scale: 0.0, shift: 0.0, dropped: 0.0 },
            _ => Affine::new(threshold),
        };
        let sigma = if threshold == 0 { f32::NAN } else { effect::sigma(threshold) };
        let numbers = [effect::inverse(threshold), scale, shift, dropped, sigma];
        let mut bytes = [0; Self::KEY_AND_RATE_BYTES as usize];
        bytes[..4 * THRESHOLD].copy_from_slice(&self.key().to_bytes());
        bytes[4 * THRESHOLD..4 * SCALE].copy_from_slice(&threshold.to_le_bytes()[..4]);
        for (word, number) in (SCALE..).zip(numbers) {
            bytes[4 * word..][..4].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

/// The first word of what an operation of a kind computes with.
pub(crate) fn first_constant(kind: Kind) -> u32 {
    let word = match kind {
        Kind::Inverted | Kind::Standard => SCALE,
        Kind::Alpha => ALPHA,
        Kind::Gaussian => SIGMA,
    };
    u32::try_from(word).unwrap_or_default()
}

const _: () = assert!(4 * THRESHOLD as u64 == Key::BYTES && ALPHA == SCALE + 1 && SIGMA == ALPHA + 3);

#[cfg(test)]
mod tests {
    use crate::{
        Dropout, Key, Kind, Mask,
        effect::{Direction, Effect},
    };

    fn words(mask: &Mask) -> Vec<u32> {
        mask.key_and_rate().chunks(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    #[test]
    fn the_numbers_are_those_of_the_effects() {
        for p in [1e-300, 1e-10, 0.1, 0.5, 0.9, 1.0 - 1e-10] {
            let of = |kind| Dropout::of_kind(kind, p).unwrap().mask(Key::new(7).with_step(3));
            let words = words(&of(Kind::Inverted));
            for &kind in Kind::ALL {
                assert_eq!(self::words(&of(kind)), words, "{kind} {p}");
                for direction in [Direction::Forward, Direction::Backward] {
                    let first = super::first_constant(kind) as usize;
                    let expected = match Effect::new(&of(kind), direction) {
                        Effect::Scale { scale } => vec![scale],
                        Effect::Alpha { scale, shift, dropped } => vec![scale, shift, dropped],
                        Effect::Gaussian { sigma } => vec![sigma],
                        _ => vec![],
                    };
                    let expected: Vec<_> = expected.iter().map(|number| number.to_bits()).collect();
                    assert_eq!(words[first..][..expected.len()], expected, "{kind} {p} {direction:?}");
                }
            }
            assert_eq!(u64::from(words[4]), of(Kind::Inverted).threshold());
        }
    }

    #[test]
    fn nothing_and_everything_are_told_apart() {
        let of = |p| words(&Dropout::new(p).unwrap().with_training(false).mask(Key::new(1)));
        let one = 1.0_f32.to_bits();
        assert_eq!(of(0.0)[4..], [0, one, one, 0, of(0.0)[8], 0, 0, 0]);
        assert_eq!(of(1.0)[4..9], [0; 5]);
        assert!(f32::from_bits(of(1.0)[9]).is_nan());
    }
}
