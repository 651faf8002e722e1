use crate::{
    Dropout, Error, Generator, Key, Mask, MaskFormat, Pass, Place,
    pass::{Need, Needs, SCRATCH_ALIGNMENT, Stored, Work},
    role::Role,
};

/// `DropBlock` (Ghiasi et al., *`DropBlock`: a regularization method for convolutional networks*, NeurIPS 2018): in
/// training whole blocks of 1, 2 or 3 spatial axes are dropped, so that a network cannot make up a value from its
/// neighbours.
///
/// ```
/// use wgpu_dropout::{DropBlock, Key, reference};
///
/// let drop_block = DropBlock::new(0.1, &[7, 7])?;
/// let mask = drop_block.mask(Key::new(42).with_layer(3), &[2, 64, 56, 56])?; // N, C, H, W
/// let x = vec![1.0_f32; 2 * 64 * 56 * 56];
/// let y = reference::drop_block(&mask, &x)?;
/// let kept = y.iter().filter(|&&y| y != 0.0).count();
/// assert!((kept as f64 / x.len() as f64 - 0.9).abs() < 0.03);
/// # Ok::<(), wgpu_dropout::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropBlock {
    p: f64,
    /// Depth, height and width of a block; 1 in front of those that were given.
    block: [u64; 3],
    axes: usize,
    scaling: BlockScaling,
    generator: Generator,
    training: bool,
}

/// What [`DropBlock`] multiplies the kept elements by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockScaling {
    /// By all elements of the call over the kept ones, counted: the exact fraction, rounded once to f32; 0 where
    /// nothing is kept. What published implementations do.
    #[default]
    Count,
    /// By the inverse of the probability to be kept, the mean over the positions of a plane: independent of the other
    /// planes of the call, and so the same for shards and for the whole.
    Expected,
    /// By nothing: the bits of what is kept stay.
    None,
}

/// Axes before the spatial ones, as pairs of neighbours: one with masks of its own, and one inside of it that shares
/// them.
pub(crate) const PLANE_AXES: usize = 4;

impl DropBlock {
    /// Blocks of these sizes over the last `block.len()` axes, in training mode, with the default generator.
    ///
    /// `p` is about the part of the elements that is dropped: within 0.02 up to p = 0.2, and less than p beyond,
    /// because blocks overlap. A block size may be odd or even; a block is cut to the size of its axis.
    ///
    /// # Errors
    /// [`Error::Probability`] unless 0 ≤ p ≤ 1, [`Error::BlockAxes`] unless there are 1 to 3 sizes,
    /// [`Error::BlockSize`] for a size of 0.
    pub fn new(p: f64, block: &[u64]) -> Result<Self, Error> {
        let p = Dropout::new(p)?.p();
        if !(1..=3).contains(&block.len()) {
            return Err(Error::BlockAxes { axes: block.len() });
        }
        if let Some(axis) = block.iter().position(|&size| size == 0) {
            return Err(Error::BlockSize { axis, size: 0 });
        }
        let mut sizes = [1; 3];
        sizes[3 - block.len()..].copy_from_slice(block);
        let (scaling, generator) = (BlockScaling::default(), Generator::default());
        Ok(Self { p, block: sizes, axes: block.len(), scaling, generator, training: true })
    }

    /// Chooses what the kept elements are multiplied by.
    #[must_use]
    pub const fn with_scaling(self, scaling: BlockScaling) -> Self {
        Self { scaling, ..self }
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

    /// The sizes of a block, one for each spatial axis.
    pub fn block(&self) -> &[u64] {
        &self.block[3 - self.axes..]
    }

    /// What the kept elements are multiplied by.
    pub const fn scaling(&self) -> BlockScaling {
        self.scaling
    }

    /// The random generator.
    pub const fn generator(&self) -> Generator {
        self.generator
    }

    /// Whether elements are dropped at all.
    pub const fn training(&self) -> bool {
        self.training
    }

    /// The mask that a key names over a row-major tensor of this shape, whose last axes are spatial and all before them
    /// independent planes. Nothing is computed yet.
    ///
    /// # Errors
    /// [`Error::BlockShape`] for a shape of fewer axes than the block, [`Error::IndexRange`] where the decisions reach
    /// past the generator's range or the elements past 2⁶⁴.
    pub fn mask(&self, key: Key, shape: &[u64]) -> Result<BlockMask, Error> {
        self.shared_mask(key, shape, &[])
    }

    /// The same, with one block mask for all planes along these axes before the spatial ones: `&[1]` drops the same
    /// blocks in every channel of an N × C × H × W tensor.
    ///
    /// # Errors
    /// As [`mask`](Self::mask); [`Error::BlockShape`] also for a shared axis that is spatial or not there, and where
    /// shared and other axes alternate more than 8 times.
    pub fn shared_mask(&self, key: Key, shape: &[u64], shared: &[usize]) -> Result<BlockMask, Error> {
        let refused = || Error::BlockShape { shape: shape.to_vec(), axes: self.axes, shared: shared.to_vec() };
        let leading = shape.len().checked_sub(self.axes).ok_or_else(refused)?;
        if shared.iter().any(|&axis| axis >= leading) {
            return Err(refused());
        }
        let (leading, spatial) = shape.split_at(leading);
        let mut size = [1; 3];
        size[3 - self.axes..].copy_from_slice(spatial);
        let block: [u64; 3] = std::array::from_fn(|axis| self.block[axis].min(size[axis]));
        let mut mask = BlockMask {
            key,
            start: 0,
            first_plane: 0,
            planes: 0,
            plane_axes: [[1; 2]; PLANE_AXES],
            size,
            block,
            p: if self.training { self.p } else { 0.0 },
            scaling: self.scaling,
            generator: self.generator,
        };
        // A tensor without elements has no decisions, and no products that could overflow.
        if !shape.contains(&0) {
            let past_the_end = || Error::IndexRange {
                start: 0,
                length: u64::MAX,
                limit: self.generator.index_end(),
                generator: self.generator,
            };
            product(shape).ok_or_else(past_the_end)?;
            mask.planes = leading.iter().product();
            mask.plane_axes = plane_axes(leading, shared).ok_or_else(refused)?;
        }
        mask.check()?;
        Ok(mask)
    }
}

fn product(sizes: &[u64]) -> Option<u64> {
    sizes.iter().try_fold(1, |product: u64, &size| product.checked_mul(size))
}

/// The axes as pairs, the outermost first; none where they alternate too often.
fn plane_axes(leading: &[u64], shared: &[usize]) -> Option<[[u64; 2]; PLANE_AXES]> {
    let mut pairs = [[1; 2]; PLANE_AXES];
    let mut pair = PLANE_AXES - 1;
    for (axis, &size) in leading.iter().enumerate().rev().filter(|&(_, &size)| size > 1) {
        if shared.contains(&axis) {
            if pairs[pair][0] > 1 {
                pair = pair.checked_sub(1)?;
            }
            pairs[pair][1] *= size;
        } else {
            pairs[pair][0] *= size;
        }
    }
    Some(pairs)
}

/// One random block mask over a tensor, or over some of its planes. It is a small value and takes no memory on the
/// device.
///
/// Made by [`DropBlock::mask`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockMask {
    key: Key,
    /// The decision of the whole tensor's first seed.
    start: u64,
    /// Which planes of the whole tensor.
    first_plane: u64,
    planes: u64,
    /// The whole tensor's axes before the spatial ones: of each pair the first has masks of its own.
    plane_axes: [[u64; 2]; PLANE_AXES],
    size: [u64; 3],
    /// Cut to the size.
    block: [u64; 3],
    /// 0 in evaluation.
    p: f64,
    scaling: BlockScaling,
    generator: Generator,
}

impl BlockMask {
    /// Says at which decision index the whole tensor's seeds begin.
    ///
    /// # Errors
    /// [`Error::IndexRange`] where they reach past the generator's range.
    pub fn at(self, start: u64) -> Result<Self, Error> {
        let moved = Self { start, ..self };
        moved.check().map(|()| moved)
    }

    /// The mask of `count` of its planes from plane `first` on, for a shard: equal to that part of the whole, but for
    /// what
    /// [`BlockScaling::Count`] counts.
    ///
    /// # Errors
    /// [`Error::Planes`] where there are fewer.
    pub fn planes(self, first: u64, count: u64) -> Result<Self, Error> {
        if first.checked_add(count).is_none_or(|end| end > self.planes) {
            return Err(Error::Planes { first, count, planes: self.planes });
        }
        Ok(Self { first_plane: self.first_plane + first, planes: count, ..self })
    }

    /// The mask that another key names.
    #[must_use]
    pub const fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// The decision index of the whole tensor's first seed.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The key.
    pub const fn key(&self) -> Key {
        self.key
    }

    /// The random generator.
    pub const fn generator(&self) -> Generator {
        self.generator
    }

    /// What the kept elements are multiplied by.
    pub const fn scaling(&self) -> BlockScaling {
        self.scaling
    }

    /// How many planes the call has.
    pub const fn plane_count(&self) -> u64 {
        self.planes
    }

    /// Elements of the call.
    pub fn elements(&self) -> u64 {
        if self.planes == 0 { 0 } else { self.planes * self.plane_elements() }
    }

    /// The rate γ of the seeds: the probability that a block begins at a place where one can. 0 and 1 for p = 0 and 1.
    pub fn rate(&self) -> f64 {
        if self.p == 0.0 || self.p == 1.0 || self.planes == 0 {
            return self.p;
        }
        let product = |sizes: [u64; 3]| sizes.iter().map(|&size| u128::from(size)).product::<u128>();
        // In binary64, in this order, as the format says. No product overflows: b·(S − b + 1) is at most ((S + 1)/2)²,
        // and all S together below 2⁶⁴.
        let numerator = self.p * product(self.size) as f64;
        (numerator / (product(self.block) * product(self.seed_size())) as f64).min(1.0)
    }

    /// A seed fires, and drops the block that begins at it, where its uniform is not below this, of 2³²: the
    /// [threshold](Dropout::threshold) of dropout at p = γ.
    pub fn threshold(&self) -> u64 {
        // γ is a probability.
        Dropout::new(self.rate()).map_or(0, |dropout| dropout.threshold())
    }

    /// Whether everything is kept: evaluation, or p = 0.
    pub fn keeps_all(&self) -> bool {
        self.threshold() == 1 << 32
    }

    /// Whether everything is dropped, without random numbers: p = 1.
    pub(crate) fn drops_all(&self) -> bool {
        self.threshold() == 0
    }

    /// What [`BlockScaling::Expected`] multiplies by: 2³²-exact probabilities that no seed over a position fires,
    /// averaged over the positions of a plane, inverted, and rounded to f32; 0 for p = 1 and where there are no
    /// elements.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where more than 2²⁴ blocks can cover one position.
    pub fn expected_scale(&self) -> Result<f32, Error> {
        /// Terms of the sum.
        const MOST: u64 = 1 << 24;
        let threshold = self.threshold();
        if threshold == 0 || self.planes == 0 {
            return Ok(0.0);
        }
        if self.keeps_all() {
            return Ok(1.0);
        }
        let seeds = self.seed_size();
        // How many windows lie over a position that is far from both ends of an axis.
        let most: [u64; 3] = std::array::from_fn(|axis| self.block[axis].min(seeds[axis]));
        let terms = product(&most).filter(|&terms| terms <= MOST);
        let what = "blocks over one position; use BlockScaling::Count";
        let terms = terms.ok_or(Error::TooLarge { bytes: product(&most).unwrap_or(u64::MAX), limit: MOST, what })?;
        // Positions of an axis under m windows: towards the ends there are two for each smaller m.
        let positions = |axis: usize, m: u64| if m < most[axis] { 2 } else { self.size[axis] - 2 * (most[axis] - 1) };
        let mut under = vec![0_u64; terms as usize + 1];
        for z in 1..=most[0] {
            for y in 1..=most[1] {
                for x in 1..=most[2] {
                    under[(z * y * x) as usize] += positions(0, z) * positions(1, y) * positions(2, x);
                }
            }
        }
        // In binary64, in this order, as the format says.
        let kept = threshold as f64 / (1_u64 << 32) as f64;
        let (mut power, mut sum) = (1.0, 0.0);
        for count in &under[1..] {
            power *= kept;
            sum += *count as f64 * power;
        }
        Ok((self.plane_elements() as f64 / sum) as f32)
    }

    /// What [`BlockScaling::Count`] multiplies by when so many of the [`elements`](Self::elements) are kept.
    pub fn count_scale(&self, kept: u64) -> f32 {
        fraction(self.elements(), kept)
    }

    /// Bytes of scratch that a pass needs on the device: two bits an element, and a header.
    pub fn scratch_size(&self) -> u64 {
        Scratch::of(self).size
    }

    /// `y = keep ? x·scale : +0`, with the scale of the [`BlockScaling`]. The backward pass is the same, with the gradient for
    /// x. Both have as many elements as the mask; the same place for both is in place.
    ///
    /// It takes [scratch](Pass::with_scratch) of [`scratch_size`](Self::scratch_size). On a device it fails with
    /// [`Error::TooLarge`] for an axis of 2³¹ elements, for rows under a block that are more than a binding, and as
    /// [`expected_scale`](Self::expected_scale); and where a counted scale needs a fourth storage buffer that the device does
    /// not bind, with [`Error::Unsupported`].
    pub fn forward<P: Place>(self, input: impl Into<P>, output: impl Into<P>) -> Pass<P> {
        Pass::new(Work::DropBlock(BlockWork::Forward(self))).with(Role::Input, input).with(Role::Output, output)
    }

    /// The packed mask alone: element j is bit `j & 31` of word `j >> 5`, 1 = kept, unused bits 0. Scratch and errors as
    /// [`forward`](Self::forward).
    pub fn packed_mask<P: Place>(self, output: impl Into<P>) -> Pass<P> {
        Pass::new(Work::DropBlock(BlockWork::Mask(self))).with(Role::Output, output)
    }

    pub(crate) const fn size(&self) -> [u64; 3] {
        self.size
    }

    pub(crate) const fn block(&self) -> [u64; 3] {
        self.block
    }

    pub(crate) const fn plane_axes(&self) -> [[u64; 2]; PLANE_AXES] {
        self.plane_axes
    }

    pub(crate) const fn first_plane(&self) -> u64 {
        self.first_plane
    }

    /// Whether every plane has a mask of its own.
    pub(crate) fn is_unshared(&self) -> bool {
        self.plane_axes.iter().all(|&[_, shared]| shared == 1)
    }

    /// Places where a block can begin, in each axis.
    pub(crate) fn seed_size(&self) -> [u64; 3] {
        std::array::from_fn(|axis| self.size[axis] - self.block[axis] + 1)
    }

    pub(crate) fn plane_elements(&self) -> u64 {
        self.size.iter().product()
    }

    pub(crate) fn plane_seeds(&self) -> u64 {
        self.seed_size().iter().product()
    }

    /// Which mask of the whole a plane of the call takes: its number among those that differ.
    pub(crate) fn plane_mask(&self, plane: u64) -> u64 {
        let mut rest = self.first_plane + plane;
        let (mut number, mut stride) = (0, 1);
        for [own, shared] in self.plane_axes.into_iter().rev() {
            rest /= shared;
            number += rest % own * stride;
            rest /= own;
            stride *= own;
        }
        number
    }

    /// The decision index of the first seed of a plane of the call.
    pub(crate) fn plane_start(&self, plane: u64) -> u64 {
        self.start + self.plane_mask(plane) * self.plane_seeds()
    }

    /// The first and one past the last of the masks that some planes of the call take; there are some planes.
    pub(crate) fn plane_masks(&self, planes: std::ops::Range<u64>) -> std::ops::Range<u64> {
        /// Planes that are looked at one by one.
        const FEW: u64 = 4096;
        if self.is_unshared() {
            return self.plane_mask(planes.start)..self.plane_mask(planes.end - 1) + 1;
        }
        if planes.end - planes.start <= FEW {
            let masks = planes.map(|plane| self.plane_mask(plane));
            let (first, last) = masks.fold((u64::MAX, 0), |(first, last), mask| (first.min(mask), last.max(mask)));
            return first..last + 1;
        }
        0..self.plane_axes.iter().map(|[own, _]| own).product()
    }

    /// The seeds as a mask of dropout: what it keeps does not fire.
    pub(crate) fn seeds(&self, start: u64) -> Result<Mask, Error> {
        Ok(Dropout::new(self.rate())?.with_generator(self.generator).mask(self.key).at(start))
    }

    /// Dropout that does what this does where no random numbers are needed.
    pub(crate) fn trivial(&self) -> Result<Option<Mask>, Error> {
        let trivial = self.keeps_all() || self.drops_all();
        let p = if self.keeps_all() { 0.0 } else { 1.0 };
        Ok(if trivial { Some(Dropout::new(p)?.mask(self.key)) } else { None })
    }

    /// Checks that the generator reaches all seeds of the whole tensor.
    fn check(&self) -> Result<(), Error> {
        if self.planes == 0 {
            return Ok(());
        }
        let masks = self.plane_axes.iter().map(|&[own, _]| u128::from(own)).product::<u128>();
        // Below 2⁶⁴, as the elements are.
        let seeds = masks * u128::from(self.plane_seeds());
        if u128::from(self.start) + seeds > self.generator.index_end() {
            let length = u64::try_from(seeds).unwrap_or(u64::MAX);
            return Err(Error::IndexRange {
                start: self.start,
                length,
                limit: self.generator.index_end(),
                generator: self.generator,
            });
        }
        Ok(())
    }
}

/// A pass of `DropBlock`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BlockWork {
    Forward(BlockMask),
    Mask(BlockMask),
}

impl BlockWork {
    pub(crate) const fn mask(&self) -> &BlockMask {
        match self {
            Self::Forward(mask) | Self::Mask(mask) => mask,
        }
    }

    pub(crate) fn needs(&self) -> Needs {
        let remedy = "it must have as many elements as the shape of the block mask";
        let elements = Stored::Elements(self.mask().elements());
        let words = Stored::Words(MaskFormat::Bits.size(self.mask().elements()) / 4);
        match self {
            Self::Forward(_) => {
                [Role::Input, Role::Output].into_iter().map(|role| Need::new(role, elements, remedy)).collect()
            }
            Self::Mask(_) => Needs::from_iter([Need::new(Role::Output, words, MaskFormat::REMEDY)]),
        }
    }

    pub(crate) const fn describe(&self) -> (&'static str, &'static str) {
        match self {
            Self::Forward(_) => ("DropBlock", "an input and an output"),
            Self::Mask(_) => ("mask of DropBlock", "an output"),
        }
    }

    pub(crate) fn scratch_size(&self) -> u64 {
        self.mask().scratch_size()
    }
}

/// Where things lie in a call's scratch: the header, and two regions that hold seeds, spread bits, the packed mask, and
/// the counts of its parts in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scratch {
    pub(crate) regions: [u64; 2],
    pub(crate) region_size: u64,
    pub(crate) size: u64,
}

impl Scratch {
    pub(crate) fn of(mask: &BlockMask) -> Self {
        // Seeds are at most as many as elements, and begin in a started word.
        let words = mask.elements() / 32 + 2;
        let region_size = (words * 4).next_multiple_of(SCRATCH_ALIGNMENT);
        let regions = [SCRATCH_ALIGNMENT, SCRATCH_ALIGNMENT + region_size];
        Self { regions, region_size, size: regions[1] + region_size }
    }
}

/// elements/kept rounded to nearest even once; 0 where nothing is kept.
fn fraction(elements: u64, kept: u64) -> f32 {
    if kept == 0 {
        return 0.0;
    }
    let (elements, kept) = (u128::from(elements), u128::from(kept));
    // The exponent e with 2ᵉ ≤ elements/kept < 2ᵉ⁺¹; it is not negative, because no more are kept than there are.
    let exponent = (elements / kept).ilog2();
    // 24 bits before the point, and what is left of a divisor.
    let (dividend, divisor) = (elements << 23, kept << exponent);
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let up = 2 * rest > divisor || 2 * rest == divisor && quotient % 2 == 1;
    // A carry runs into the exponent, as it should.
    f32::from_bits(((126 + exponent) << 23) + quotient as u32 + u32::from(up))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against fractions whose binary64 is exact, ties both ways, and the largest numbers.
    #[test]
    fn fractions_are_rounded_once() {
        for (elements, kept, expected) in [
            (0, 0, 0.0),
            (5, 0, 0.0),
            (1, 1, 1.0),
            (3, 2, 1.5),
            (u64::MAX, u64::MAX, 1.0),
            (u64::MAX, 1, 18_446_744_073_709_551_616.0),
            ((1 << 24) + 1, 1 << 24, 1.0),
            ((1 << 24) + 3, 1 << 24, 1.000_000_2),
            ((1 << 25) - 1, 1 << 24, 2.0),
        ] {
            assert_eq!(fraction(elements, kept).to_bits(), f32::to_bits(expected), "{elements}/{kept}");
        }
        for kept in 1..2000 {
            // Quotients of small numbers are no ties of f32, nor near them.
            assert_eq!(fraction(2000, kept), (2000.0 / kept as f64) as f32);
        }
        // Just above a tie, which a rounding to binary64 would make of it.
        let (kept, above) = ((1_u64 << 63) - 1, (1 << 63) + (1 << 39));
        assert_eq!(fraction(above, kept).to_bits(), 1_f32.to_bits() + 1);
    }

    #[test]
    fn any_shape_is_a_mask_or_an_error() {
        let sizes = [0, 1, 2, 3, 1 << 31, 1 << 32, u64::MAX - 1, u64::MAX];
        for axes in 1..=3 {
            for (a, b) in sizes.iter().flat_map(|&a| sizes.map(|b| (a, b))) {
                for (c, block) in sizes.iter().flat_map(|&c| sizes.map(|block| (c, block.max(1)))) {
                    for generator in Generator::ALL {
                        let drop_block = DropBlock::new(0.3, &vec![block; axes]).unwrap().with_generator(*generator);
                        let Ok(mask) = drop_block.mask(Key::new(1), &[a, b, c]) else { continue };
                        let scaled = mask.expected_scale();
                        assert!(scaled.is_err() || scaled.unwrap().is_finite());
                        assert!(mask.threshold() <= 1 << 32 && mask.rate() <= 1.0);
                        // No more bytes than addresses, where a buffer could have the elements.
                        assert!(mask.elements() > 1 << 60 || mask.scratch_size() < u64::MAX);
                        let _ = (mask.at(u64::MAX), mask.planes(1, u64::MAX), mask.planes(0, 1));
                    }
                }
            }
        }
    }

    #[test]
    fn planes_of_shared_axes_take_the_masks_of_the_rest() {
        let drop_block = DropBlock::new(0.1, &[2, 2]).unwrap();
        let shape = [2, 3, 4, 5, 6, 7];
        for shared in [&[][..], &[0], &[1], &[3], &[0, 2], &[1, 3], &[0, 1, 2, 3], &[2, 3]] {
            let mask = drop_block.shared_mask(Key::new(1), &shape, shared).unwrap();
            let own = |axis: usize| if shared.contains(&axis) { 1 } else { shape[axis] };
            for plane in 0..2 * 3 * 4 * 5 {
                let coordinates = [plane / 60, plane / 20 % 3, plane / 5 % 4, plane % 5];
                let number = (0..4).fold(0, |number, axis| number * own(axis) + coordinates[axis] % own(axis));
                assert_eq!(mask.plane_start(plane), number * 5 * 6, "{shared:?} {plane}");
                let shard = mask.planes(plane, 1).unwrap();
                assert_eq!(shard.plane_start(0), number * 5 * 6);
            }
        }
    }
}
