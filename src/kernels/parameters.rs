//! The parameters of a launch: blocks that fragments own, one after the other.
//!
//! A fragment declares its blocks in its head (`// parameters: name: Type`) and their WGSL structs in its text. Here are
//! the host's twins; a test compares the two. Each is a multiple of 16 bytes, as uniform buffers ask of structs.

use bytemuck::{Pod, Zeroable};

use crate::wgsl::KeepRule;

/// A block of parameters. A kernel's blocks lie in the order of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Block {
    Elements,
    Rule,
    Key,
    Strides,
    RowIds,
    PackedMask,
    Repeats,
    Scaling,
    Alpha,
    Gaussian,
    Columns,
    Walk,
    Rows,
    Dispatch,
    Comparison,
    Advance,
    Blocks,
    Probe,
    Places,
    Spread,
    Scatter,
    Counts,
    RowSums,
    SoftmaxRows,
    Product,
    Slope,
    Moments,
    Sampling,
    Accumulation,
}

impl Block {
    pub(crate) const ALL: &[Self] = &[
        Self::Elements,
        Self::Rule,
        Self::Key,
        Self::Strides,
        Self::RowIds,
        Self::PackedMask,
        Self::Repeats,
        Self::Scaling,
        Self::Alpha,
        Self::Gaussian,
        Self::Columns,
        Self::Walk,
        Self::Rows,
        Self::Dispatch,
        Self::Comparison,
        Self::Advance,
        Self::Blocks,
        Self::Probe,
        Self::Places,
        Self::Spread,
        Self::Scatter,
        Self::Counts,
        Self::RowSums,
        Self::SoftmaxRows,
        Self::Product,
        Self::Slope,
        Self::Moments,
        Self::Sampling,
        Self::Accumulation,
    ];

    /// The member of `Parameters` and its WGSL type, as in the heads of fragments.
    pub(crate) const fn declaration(self) -> &'static str {
        match self {
            Self::Elements => "elements: Elements",
            Self::Rule => "rule: DropoutKeepRule",
            Self::Key => "key: KeyPosition",
            Self::Strides => "strides: Strides",
            Self::RowIds => "row_ids: RowIds",
            Self::PackedMask => "packed_mask: PackedMask",
            Self::Repeats => "repeats: Repeats",
            Self::Scaling => "scaling: Scaling",
            Self::Alpha => "alpha: Alpha",
            Self::Gaussian => "gaussian: Gaussian",
            Self::Columns => "columns: Columns",
            Self::Walk => "walk: Walk",
            Self::Rows => "rows: Rows",
            Self::Dispatch => "dispatch: Dispatch",
            Self::Comparison => "comparison: Comparison",
            Self::Advance => "advance: Advance",
            Self::Blocks => "blocks: Blocks",
            Self::Probe => "probe: Probe",
            Self::Places => "places: Places",
            Self::Spread => "spread: Spread",
            Self::Scatter => "scatter: Scatter",
            Self::Counts => "counts: Counts",
            Self::RowSums => "row_sums: RowSums",
            Self::SoftmaxRows => "softmax: SoftmaxRows",
            Self::Product => "product: Product",
            Self::Slope => "slope: Slope",
            Self::Moments => "moments: Moments",
            Self::Sampling => "sampling: Sampling",
            Self::Accumulation => "accumulation: Accumulation",
        }
    }
}

impl Block {
    /// Bytes; of strides, without their axes.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::Places => 96,
            Self::Scatter => 80,
            Self::Slope => 64,
            Self::Spread | Self::SoftmaxRows | Self::Product | Self::Moments | Self::Accumulation => 48,
            Self::Rule | Self::Rows | Self::Counts | Self::RowSums | Self::Sampling => 32,
            _ => 16,
        }
    }
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Elements {
    pub(crate) count: u32,
    pub(crate) input_offset: u32,
    pub(crate) output_offset: u32,
    pub(crate) other_offset: u32,
}

/// The head of the block of strides: what follows is an [`Axis`] for each of the kernel's outer axes.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Strides {
    pub(crate) inner_stride: [u32; 2],
    pub(crate) inner_extent: u32,
    pub(crate) first: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Axis {
    pub(crate) stride: [u32; 2],
    pub(crate) elements: u32,
    pub(crate) reciprocal: u32,
}

impl Axis {
    /// With what a division by `elements`, at least 1, needs.
    pub(crate) fn new(stride: u64, elements: u32) -> Self {
        Self { stride: words(stride), elements, reciprocal: reciprocal(elements) }
    }
}

/// What a division by a divisor, at least 1, needs: for ℓ = ⌈log₂ divisor⌉, `⌊2³²·(2^ℓ − divisor)/divisor⌋ + 1`.
pub(crate) fn reciprocal(divisor: u32) -> u32 {
    let digits = u32::BITS - (divisor - 1).leading_zeros();
    words((((1_u64 << digits) - u64::from(divisor)) << 32) / u64::from(divisor) + 1)[0]
}

/// Of a fused pass' rows, of at most 2³¹ elements.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Columns {
    pub(crate) count: u32,
    pub(crate) reciprocal: u32,
    pub(crate) first: u32,
    pub(crate) bias_offset: u32,
}

/// Of a walk down columns. A sum's place has a bit more, the highest: whether it is added to.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Walk {
    pub(crate) columns: u32,
    pub(crate) reciprocal: u32,
    pub(crate) partial: u32,
    pub(crate) bias_offset: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct RowSums {
    pub(crate) columns: u32,
    pub(crate) pitch: u32,
    pub(crate) rows: u32,
    pub(crate) each: u32,
    pub(crate) input_offset: u32,
    pub(crate) output_offset: u32,
    pub(crate) adds: u32,
    pub(crate) unused: u32,
}

/// Of a row keep: its key as what it differs by from that of the elements.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Rows {
    pub(crate) seed: [u32; 2],
    pub(crate) stream: [u32; 2],
    pub(crate) start: [u32; 2],
    pub(crate) threshold: u32,
    pub(crate) scale: f32,
}

/// Axes come innermost first.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Places {
    pub(crate) size: [u32; 3],
    pub(crate) words: u32,
    pub(crate) seeds: [u32; 3],
    pub(crate) elements: u32,
    pub(crate) first: [u32; 3],
    pub(crate) first_plane: u32,
    pub(crate) base: u32,
    pub(crate) mask_seeds: u32,
    pub(crate) output_offset: u32,
    pub(crate) writes_keep: u32,
    pub(crate) own: [u32; 4],
    pub(crate) sharing: [u32; 4],
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Spread {
    pub(crate) words: u32,
    pub(crate) elements: u32,
    pub(crate) input_offset: u32,
    pub(crate) output_offset: u32,
    pub(crate) step_words: u32,
    pub(crate) step_bits: u32,
    pub(crate) steps: u32,
    pub(crate) across: u32,
    pub(crate) last_words: u32,
    pub(crate) last_bits: u32,
    pub(crate) writes_keep: u32,
    pub(crate) unused: u32,
}

/// Axes come innermost first.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Scatter {
    pub(crate) size: [u32; 3],
    pub(crate) words: u32,
    pub(crate) seeds: [u32; 3],
    pub(crate) count: u32,
    pub(crate) first: [u32; 3],
    pub(crate) input_bit: u32,
    pub(crate) block: [u32; 3],
    pub(crate) output_words: u32,
    pub(crate) first_element: u32,
    pub(crate) output_offset: u32,
    pub(crate) unused: [u32; 2],
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Counts {
    pub(crate) words: u32,
    pub(crate) input_offset: u32,
    pub(crate) output_offset: u32,
    pub(crate) is_first: u32,
    pub(crate) elements: [u32; 2],
    pub(crate) unused: [u32; 2],
}

/// Rows of a softmax.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct SoftmaxRows {
    pub(crate) columns: u32,
    pub(crate) first: u32,
    pub(crate) step: u32,
    pub(crate) queries: u32,
    pub(crate) query: u32,
    pub(crate) visible: i32,
    pub(crate) sign: u32,
    pub(crate) zero: u32,
    pub(crate) exponent: f32,
    pub(crate) margin: f32,
    pub(crate) factor: f32,
    pub(crate) unused: u32,
}

/// Offsets are of elements, or words, before the first in its binding.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Accumulation {
    pub(crate) count: u32,
    pub(crate) samples: u32,
    pub(crate) stride: u32,
    pub(crate) classes: u32,
    pub(crate) earlier: f32,
    pub(crate) weight: f32,
    pub(crate) other_weight: f32,
    pub(crate) input_offset: u32,
    pub(crate) first_offset: u32,
    pub(crate) second_offset: u32,
    pub(crate) other_offset: u32,
    pub(crate) other_second_offset: u32,
}

/// The blocks that are a single number or two: where a key lies, the first bit of a packed mask, the scale, …
pub(crate) type Numbers = [u32; 4];

/// Bytes of immediates, wherever there are some. Parameters that need more go into a uniform buffer.
pub(crate) const MAX_IMMEDIATES: usize = 128;

/// Bytes that a launch's parameters can have.
pub(crate) const MAX_BYTES: usize = 256;

/// The parameters of a launch as the kernel reads them.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    bytes: [u8; MAX_BYTES],
    length: usize,
}

impl Parameters {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; MAX_BYTES], length: 0 }
    }

    /// Appends a block. Blocks come in the order of [`Block`].
    pub(crate) fn push<T: Pod>(&mut self, block: &T) {
        self.push_bytes(bytemuck::bytes_of(block));
    }

    /// The same for the bytes of a block.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// The bytes: little-endian 32-bit words, a multiple of 16 bytes and at most 256.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A number that the planner keeps below 2³².
pub(crate) fn small(x: u64) -> u32 {
    debug_assert!(u32::try_from(x).is_ok(), "{x}");
    words(x)[0]
}

/// A number that the planner keeps below 256.
pub(crate) fn byte(x: u64) -> u8 {
    debug_assert!(u8::try_from(x).is_ok(), "{x}");
    x.to_le_bytes()[0]
}

pub(crate) const fn words(x: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the low word, then the high one")]
    [x as u32, (x >> 32) as u32]
}

const _: () = {
    assert!(size_of::<Elements>() == 16 && size_of::<Strides>() == 16 && size_of::<KeepRule>() == 32);
    assert!(
        size_of::<Places>() == 96
            && size_of::<Spread>() == 48
            && size_of::<Scatter>() == 80
            && size_of::<Counts>() == 32
            && size_of::<Accumulation>() == 48
    );
    // The most that a kernel has: elements, rule, key, strides of 8 axes, row ids, columns, rows.
    assert!(16 + 32 + 16 + (16 + 7 * 16) + 16 + 16 + 32 <= MAX_BYTES);
};

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernels divide.
    fn quotient(position: u32, axis: &Axis) -> u32 {
        let digits = 32 - (axis.elements - 1).leading_zeros();
        let product = words(u64::from(position) * u64::from(axis.reciprocal))[1];
        (product + ((position - product) >> digits.min(1))) >> (digits.max(1) - 1)
    }

    #[test]
    fn divisions_are_exact() {
        let near = |x: u32| [x.saturating_sub(1), x, x.saturating_add(1)];
        let powers = (0..32).flat_map(|shift| near(1 << shift));
        let all: Vec<u32> = powers.chain([3, 5, 6, 7, 10, 49, 3136, 123_456_789, u32::MAX - 1, u32::MAX]).collect();
        for &elements in all.iter().filter(|&&elements| elements > 0) {
            let axis = Axis::new(0, elements);
            let multiples = all.iter().flat_map(|&x| near(x.wrapping_mul(elements)));
            for position in all.iter().copied().chain(multiples) {
                assert_eq!(quotient(position, &axis), position / elements, "{position} / {elements}");
            }
        }
    }
}
