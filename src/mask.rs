use crate::{Error, Generator, Key, View};

/// Inverted dropout (Srivastava et al., JMLR 15, 2014): in training each element is dropped with probability `p`
/// and a kept one is multiplied by [`scale`](Self::scale) = 1/(1 − p), so that evaluation is the identity.
///
/// ```
/// use wgpu_dropout::{Dropout, Key};
///
/// let dropout = Dropout::new(0.1)?;
/// assert_eq!(dropout.threshold(), 0xe666_6666); // of 2³²: the exact probability to keep
///
/// let mask = dropout.mask(Key::new(42).with_layer(3).with_step(1000));
/// let y = wgpu_dropout::reference::forward(&mask, &[1.0_f32; 8])?;
/// assert!(y.iter().all(|&y| y == 0.0 || y == dropout.scale()));
///
/// assert!(Dropout::new(1.5).is_err());
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    p: f64,
    generator: Generator,
    training: bool,
}

impl Dropout {
    /// Dropout in training mode with the default generator. `p` is the **drop** probability.
    ///
    /// # Errors
    /// [`Error::Probability`] unless 0 ≤ p ≤ 1.
    pub fn new(p: f64) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::Probability { p });
        }
        Ok(Self { p, generator: Generator::default(), training: true })
    }

    /// Chooses the random generator.
    #[must_use]
    pub const fn with_generator(self, generator: Generator) -> Self {
        Self { generator, ..self }
    }

    /// Training (`true`) drops and scales; evaluation (`false`) is the identity.
    #[must_use]
    pub const fn with_training(self, training: bool) -> Self {
        Self { training, ..self }
    }

    /// The drop probability as given.
    pub const fn p(&self) -> f64 {
        self.p
    }

    /// The random generator.
    pub const fn generator(&self) -> Generator {
        self.generator
    }

    /// Whether elements are dropped at all.
    pub const fn training(&self) -> bool {
        self.training
    }

    /// An element is kept when its 32-bit uniform is below this: `floor((1 − p)·2³² + 0.5)`, in 0 ..= 2³².
    /// For 0 < p < 1 it stays within 1 ..= 2³² − 1, so that something can be dropped and something kept.
    /// In evaluation it is 2³². See docs/keep-rule.md.
    pub fn threshold(&self) -> u64 {
        const TWO_32: f64 = 4_294_967_296.0;
        if !self.training || self.p == 0.0 {
            return 1 << 32;
        }
        if self.p == 1.0 {
            return 0;
        }
        // In binary64, in this order, as the format says.
        let threshold = ((1.0 - self.p) * TWO_32 + 0.5).floor();
        threshold.clamp(1.0, TWO_32 - 1.0) as u64
    }

    /// What a kept element is multiplied by: 2³²/threshold, rounded once to f32; 0 for p = 1, 1 in evaluation.
    pub fn scale(&self) -> f32 {
        scale(self.threshold())
    }

    /// The mask that a key names. Nothing is computed yet: a mask is a small value, not a tensor.
    pub fn mask(&self, key: Key) -> Mask {
        Mask { key, view: View::contiguous(0), threshold: self.threshold(), generator: self.generator }
    }
}

/// One random mask over a whole logical tensor: which of its elements are kept. It is a small value and takes
/// no memory on the device, because every bit of it can be computed again from (generator, key, threshold, index).
///
/// Made by [`Dropout::mask`]; every operation of the library takes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mask {
    key: Key,
    view: View,
    threshold: u64,
    generator: Generator,
}

impl Mask {
    /// Says where your data lies in the whole logical tensor, for data that is a chunk or a shard of it: a `u64` is the
    /// index of its first element (row-major); for rows of a wider matrix see [`View`].
    ///
    /// ```
    /// # use wgpu_dropout::{Dropout, Key, reference};
    /// let mask = Dropout::new(0.5)?.mask(Key::new(1));
    /// let whole = reference::forward(&mask, &[1.0_f32; 100])?;
    /// let part = reference::forward(&mask.at(60), &[1.0_f32; 40])?;
    /// assert_eq!(whole[60..], part);
    /// # Ok::<(), wgpu_dropout::Error>(())
    /// ```
    #[must_use]
    pub fn at(self, view: impl Into<View>) -> Self {
        Self { view: view.into(), ..self }
    }

    /// The mask that another key names, of the same probability and view.
    #[must_use]
    pub const fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// The mask of what follows the first `elements` elements of the data.
    #[must_use]
    pub const fn skip(self, elements: u64) -> Self {
        Self { view: self.view.skip(elements), ..self }
    }

    /// The key.
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Where the data lies in the whole logical tensor.
    pub const fn view(&self) -> View {
        self.view
    }

    /// The random generator.
    pub const fn generator(&self) -> Generator {
        self.generator
    }

    /// An element is kept when its 32-bit uniform is below this; in 0 ..= 2³². See [`Dropout::threshold`].
    pub const fn threshold(&self) -> u64 {
        self.threshold
    }

    /// What inverted dropout multiplies a kept element by. See [`Dropout::scale`].
    pub fn scale(&self) -> f32 {
        scale(self.threshold)
    }

    /// Whether everything is kept: evaluation, or p = 0.
    pub const fn keeps_all(&self) -> bool {
        self.threshold == 1 << 32
    }

    /// Checks that the generator can address `length` elements of the [`view`](Self::view).
    ///
    /// # Errors
    /// [`Error::IndexRange`] when one past the last logical index is past [`Generator::index_end`], [`Error::View`]
    /// unless 1 ≤ row length ≤ row pitch.
    pub fn check_length(&self, length: u64) -> Result<(), Error> {
        if self.view.end(length)? > self.generator.index_end() {
            return Err(Error::IndexRange { start: self.view.start(), length, generator: self.generator });
        }
        Ok(())
    }
}

fn scale(threshold: u64) -> f32 {
    if threshold == 0 { 0.0 } else { ((1u64 << 32) as f64 / threshold as f64) as f32 }
}
