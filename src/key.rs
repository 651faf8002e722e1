use rand_core::Rng;

/// Names one random mask.
///
/// The same key, drop probability and generator give the same mask on every device, every time: that is how
/// backward, recomputation and sharded training work. A layer, a training step and a Monte Carlo sample each need
/// a mask of their own, so the stream is packed from the three, and the packing cannot collide:
///
/// `stream = layer (bits 48–63) | sample (bits 32–47) | step (bits 0–31)`
///
/// ```
/// use wgpu_dropout::Key;
///
/// let key = Key::new(42).with_layer(3).with_step(1000).with_sample(1);
/// assert_eq!(key.stream, 0x0003_0001_0000_03e8);
/// assert_eq!(key, Key::new(42).with_stream(0x0003_0001_0000_03e8));
/// ```
///
/// Whoever stores a key to make its mask again later stores the generator and
/// [`KEEP_RULE_VERSION`](crate::KEEP_RULE_VERSION) with it. With the feature `serde` a key serialises as
/// `{ seed, stream }`; note that JavaScript rounds JSON numbers from 2⁵³ on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Key {
    /// The seed of the whole experiment. Any 64-bit value.
    pub seed: u64,
    /// Which of the seed's 2⁶⁴ independent masks.
    pub stream: u64,
}

impl Key {
    /// The key of a seed with stream 0, that is layer 0, sample 0, step 0.
    pub const fn new(seed: u64) -> Self {
        Self { seed, stream: 0 }
    }

    /// A key whose seed is one `u64` drawn from your generator, with stream 0.
    ///
    /// ```
    /// use rand::SeedableRng;
    /// let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    /// let key = wgpu_dropout::Key::from_rng(&mut rng);
    /// assert_eq!(key.stream, 0);
    /// ```
    pub fn from_rng<R: Rng + ?Sized>(rng: &mut R) -> Self {
        Self::new(rng.next_u64())
    }

    /// Replaces the whole stream: a raw view of the 64 bits that [`layer`](Self::layer),
    /// [`sample`](Self::sample) and [`step`](Self::step) share.
    #[must_use]
    pub const fn with_stream(self, stream: u64) -> Self {
        Self { stream, ..self }
    }

    /// Bytes of a key in a buffer.
    pub const BYTES: u64 = 16;

    /// The key as it lies in a buffer of a device: seed, then stream, little-endian. The step is the word from byte 8 on.
    pub fn to_bytes(self) -> [u8; Self::BYTES as usize] {
        let mut bytes = [0; Self::BYTES as usize];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..].copy_from_slice(&self.stream.to_le_bytes());
        bytes
    }

    /// Sets the layer, bits 48–63 of the stream.
    #[must_use]
    pub const fn with_layer(self, layer: u16) -> Self {
        self.with_stream(self.stream & 0x0000_ffff_ffff_ffff | (layer as u64) << 48)
    }

    /// Sets the Monte Carlo sample, bits 32–47 of the stream.
    #[must_use]
    pub const fn with_sample(self, sample: u16) -> Self {
        self.with_stream(self.stream & 0xffff_0000_ffff_ffff | (sample as u64) << 32)
    }

    /// Sets the training step, bits 0–31 of the stream.
    #[must_use]
    pub const fn with_step(self, step: u32) -> Self {
        self.with_stream(self.stream & 0xffff_ffff_0000_0000 | step as u64)
    }

    /// The layer: bits 48–63 of the stream.
    pub const fn layer(self) -> u16 {
        (self.stream >> 48) as u16
    }

    /// The Monte Carlo sample: bits 32–47 of the stream.
    #[expect(clippy::cast_possible_truncation, reason = "16 bits of the stream")]
    pub const fn sample(self) -> u16 {
        (self.stream >> 32) as u16
    }

    /// The training step: bits 0–31 of the stream.
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits of the stream")]
    pub const fn step(self) -> u32 {
        self.stream as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_disturb_each_other() {
        let full = Key::new(7).with_layer(u16::MAX).with_sample(u16::MAX).with_step(u32::MAX);
        assert_eq!(full.stream, u64::MAX);
        assert_eq!(full.with_layer(0).stream, 0x0000_ffff_ffff_ffff);
        assert_eq!(full.with_sample(0).stream, 0xffff_0000_ffff_ffff);
        assert_eq!(full.with_step(0).stream, 0xffff_ffff_0000_0000);
        assert_eq!(Key::new(7).with_step(1).with_layer(2).with_sample(3).stream, 0x0002_0003_0000_0001);
        let key = Key::new(7).with_stream(0x0002_0003_0000_0001);
        assert_eq!((key.layer(), key.sample(), key.step()), (2, 3, 1));
    }

    #[test]
    fn bytes_are_little_endian_words() {
        let key = Key::new(0x0102_0304_0506_0708).with_stream(0x1112_1314_1516_1718);
        let words: Vec<u32> = key.to_bytes().chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(words, [0x0506_0708, 0x0102_0304, 0x1516_1718, 0x1112_1314]);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn keys_and_generators_serialise() {
        let key = Key::new(u64::MAX).with_layer(3).with_step(1);
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(text, r#"{"seed":18446744073709551615,"stream":844424930131969}"#);
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key);
        serde_json::from_str::<Key>(r#"{"seed":1}"#).unwrap_err();
        serde_json::from_str::<Key>(r#"{"seed":1,"stream":0,"step":2}"#).unwrap_err();
        for &generator in crate::Generator::ALL {
            let text = serde_json::to_string(&generator).unwrap();
            assert_eq!(text, format!("\"{generator}\""));
            assert_eq!(serde_json::from_str::<crate::Generator>(&text).unwrap(), generator);
        }
    }
}
