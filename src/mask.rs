use crate::{Error, Generator, Key, Kind, View, effect};

/// Dropout with a probability: what a network's layer holds.
///
/// [`new`](Self::new) is inverted dropout, what frameworks call dropout (Srivastava et al., JMLR 15, 2014): in training each
/// element is dropped with probability `p` and a kept one is multiplied by [`scale`](Self::scale) = 1/(1 − p), so that
/// evaluation is the identity. For the other kinds see [`Kind`].
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
    kind: Kind,
    generator: Generator,
    training: bool,
}

impl Dropout {
    /// Inverted dropout in training mode with the default generator. `p` is the **drop** probability.
    ///
    /// # Errors
    /// [`Error::Probability`] unless 0 ≤ p ≤ 1.
    pub fn new(p: f64) -> Result<Self, Error> {
        Self::of_kind(Kind::Inverted, p)
    }

    /// Standard dropout: [`Kind::Standard`].
    ///
    /// # Errors
    /// [`Error::Probability`] unless 0 ≤ p ≤ 1.
    pub fn standard(p: f64) -> Result<Self, Error> {
        Self::of_kind(Kind::Standard, p)
    }

    /// Alpha dropout: [`Kind::Alpha`]. With a mask that is [shared](Mask::shared) it is feature alpha dropout.
    ///
    /// # Errors
    /// [`Error::Probability`] unless 0 ≤ p ≤ 1.
    pub fn alpha(p: f64) -> Result<Self, Error> {
        Self::of_kind(Kind::Alpha, p)
    }

    /// Gaussian noise of variance p/(1 − p): [`Kind::Gaussian`].
    ///
    /// # Errors
    /// [`Error::Probability`] unless 0 ≤ p < 1: the variance of p = 1 is infinite.
    pub fn gaussian(p: f64) -> Result<Self, Error> {
        Self::of_kind(Kind::Gaussian, p)
    }

    /// Dropout of a kind.
    ///
    /// # Errors
    /// [`Error::Probability`] unless 0 ≤ p ≤ 1, and for Gaussian noise unless p < 1.
    pub fn of_kind(kind: Kind, p: f64) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&p) || kind == Kind::Gaussian && p == 1.0 {
            return Err(Error::Probability { p, kind });
        }
        Ok(Self { p, kind, generator: Generator::default(), training: true })
    }

    /// Chooses the random generator.
    #[must_use]
    pub const fn with_generator(self, generator: Generator) -> Self {
        Self { generator, ..self }
    }

    /// Training (`true`), or evaluation (`false`), in which nothing is random: the identity, but for [`Kind::Standard`], which
    /// multiplies by 1 − p there.
    #[must_use]
    pub const fn with_training(self, training: bool) -> Self {
        Self { training, ..self }
    }

    /// The drop probability as given.
    pub const fn p(&self) -> f64 {
        self.p
    }

    /// What happens to the elements.
    pub const fn kind(&self) -> Kind {
        self.kind
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
    /// In evaluation it is 2³². See docs/format.md.
    pub fn threshold(&self) -> u64 {
        if self.training { self.threshold_of_p() } else { 1 << 32 }
    }

    fn threshold_of_p(&self) -> u64 {
        const TWO_32: f64 = 4_294_967_296.0;
        if self.p == 0.0 {
            return 1 << 32;
        }
        if self.p == 1.0 {
            return 0;
        }
        // In binary64, in this order, as the format says.
        let threshold = ((1.0 - self.p) * TWO_32 + 0.5).floor();
        threshold.clamp(1.0, TWO_32 - 1.0) as u64
    }

    /// What inverted dropout multiplies a kept element by: 2³²/threshold, rounded once to f32; 0 for p = 1, 1 in evaluation.
    pub fn scale(&self) -> f32 {
        effect::inverse(self.threshold())
    }

    /// The mask that a key names. Nothing is computed yet: a mask is a small value, not a tensor.
    pub fn mask(&self, key: Key) -> Mask {
        let &Self { kind, generator, training, .. } = self;
        Mask { key, view: View::contiguous(0), threshold: self.threshold_of_p(), kind, generator, training }
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
    /// Of p, in evaluation too.
    threshold: u64,
    kind: Kind,
    generator: Generator,
    training: bool,
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

    /// The mask for data of this shape (row-major) that is shared along axes, 0-based: one decision governs all the elements
    /// that differ only in their coordinates there. What frameworks give a name of its own is a line:
    ///
    /// | | shape | shared axes |
    /// |---|---|---|
    /// | `Dropout1d`, `SpatialDropout1D`, channel dropout of sequences | `[n, c, l]` | `[2]` |
    /// | `Dropout2d`, `SpatialDropout2D`, feature dropout of images | `[n, c, h, w]` | `[2, 3]` |
    /// | the same with channels last | `[n, h, w, c]` | `[1, 2]` |
    /// | `Dropout3d`, of volumes | `[n, c, d, h, w]` | `[2, 3, 4]` |
    /// | locked, or variational, dropout: one mask for all time steps | `[time, batch, hidden]` | `[0]` |
    /// | stochastic depth, mode "row" | `[batch, …]` | all but 0 |
    /// | stochastic depth, mode "batch" | `[batch, …]` | all |
    ///
    /// The data begins at the [start](View::start) of the mask's view, counted in decisions.
    ///
    /// ```
    /// # use wgpu_dropout::{Dropout, Key, reference};
    /// // Two pictures of 3 channels of 2 × 2 pixels: a channel is dropped as a whole.
    /// let mask = Dropout::new(0.5)?.mask(Key::new(1)).shared(&[2, 3, 2, 2], &[2, 3])?;
    /// let y = reference::forward(&mask, &[1.0_f32; 24])?;
    /// assert!(y.chunks(4).all(|channel| channel.iter().all(|&y| y == channel[0])));
    /// # Ok::<(), wgpu_dropout::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`], as [`View::shared`].
    pub fn shared(self, shape: &[u64], axes: &[usize]) -> Result<Self, Error> {
        Ok(self.at(View::shared(self.view.start(), shape, axes)?))
    }

    /// The mask for data whose rows, the coordinates of axis 0 of the shape, are looked up in a list of ids that comes with the
    /// data: row r takes the decisions of row `ids[r]`. With the other axes [shared](Self::shared) it is embedding dropout, one
    /// decision a vocabulary entry; without, a mask that follows a sample wherever it is shuffled to.
    ///
    /// ```
    /// # use wgpu_dropout::{Dropout, Key, Operation, Slices, reference};
    /// let tokens = [7, 2, 7];
    /// let mask = Dropout::new(0.5)?.mask(Key::new(1)).shared(&[3, 4], &[1])?.gathered()?;
    /// let y = reference::run(Operation::Forward(mask), Slices::new(&[1.0_f32; 12]).with_row_ids(&tokens))?;
    /// assert_eq!(y[..4], y[8..]); // the same token
    /// # Ok::<(), wgpu_dropout::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`], as [`View::gathered`].
    pub fn gathered(self) -> Result<Self, Error> {
        Ok(self.at(self.view.gathered()?))
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

    /// What happens to the elements.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether elements are dropped at all.
    pub const fn training(&self) -> bool {
        self.training
    }

    /// An element is kept when its 32-bit uniform is below this; in 0 ..= 2³². See [`Dropout::threshold`].
    pub const fn threshold(&self) -> u64 {
        if self.training { self.threshold } else { 1 << 32 }
    }

    /// The threshold of p, in evaluation too.
    pub(crate) const fn dropout_threshold(&self) -> u64 {
        self.threshold
    }

    /// The mask with some p between 0 and 1, to choose what is right for all of them.
    pub(crate) const fn with_any_rate(self) -> Self {
        Self { threshold: 1 << 31, ..self }
    }

    /// What inverted dropout multiplies a kept element by. See [`Dropout::scale`].
    pub fn scale(&self) -> f32 {
        effect::inverse(self.threshold())
    }

    /// Whether everything is kept: evaluation, or p = 0.
    pub const fn keeps_all(&self) -> bool {
        self.threshold() == 1 << 32
    }

    /// Checks that the generator can address `length` elements of the [`view`](Self::view), and that they are as many as its
    /// shape has.
    ///
    /// # Errors
    /// [`Error::IndexRange`] when one past the last logical index is past what the generator's counter can address:
    /// [`Generator::index_end`], or for Gaussian noise [`Generator::normal_end`]; [`Error::Shape`] for another length than
    /// the shape has, [`Error::View`] unless 1 ≤ row length ≤ row pitch.
    pub fn check_length(&self, length: u64) -> Result<(), Error> {
        let is_noise = self.kind == Kind::Gaussian;
        let limit = if is_noise { self.generator.normal_end() } else { self.generator.index_end() };
        if self.view.end(length)? > limit {
            return Err(Error::IndexRange { start: self.view.start(), length, limit, generator: self.generator });
        }
        Ok(())
    }

    /// Checks that a list of row ids is what the view needs: one for each row of a gathered one, and none otherwise.
    pub(crate) fn check_row_ids(&self, ids: Option<u64>) -> Result<(), Error> {
        match (self.view.is_gathered(), ids) {
            (false, None) => Ok(()),
            (true, Some(ids)) if ids == self.view.row_ids() => Ok(()),
            (_, ids) => Err(Error::RowIds { rows: self.view.row_ids(), ids }),
        }
    }
}
