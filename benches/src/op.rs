//! The operations that are timed: what each does, over which part of the logical tensor, and how many bytes it moves.

use wgpu_dropout::{Dtype, Kind, MaskFormat, View};

/// An operation that is timed. Those of a kind or a view of their own are out of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Out of place.
    Forward,
    /// Out of place, from a start that is no multiple of the block.
    ForwardUnaligned,
    /// Out of place, of rows of a wider matrix, whose pitch is odd.
    ForwardRows,
    /// Out of place, from an input that begins one element after a multiple of 16 bytes.
    ForwardOffset,
    /// Out of place, from a start far into the tensor, where groups of decisions have 64-bit numbers.
    ForwardFar,
    /// In place.
    InPlace,
    /// Packed keep mask.
    Mask,
    /// One decision for each plane of `PLANE` elements.
    Channel,
    /// One decision for each sample of `SAMPLE` elements.
    StochasticDepth,
    /// One mask for all of `STEPS` time steps.
    Locked,
    /// Rows of `COLUMNS` elements whose decisions are looked up by ids.
    GatheredRows,
    /// One decision for each entry of a vocabulary, rows of 256 elements.
    Embedding,
    /// [`Kind::Standard`].
    Standard,
    /// [`Kind::Alpha`].
    Alpha,
    /// [`Kind::Gaussian`].
    Gaussian,
    /// Standard normals, written alone.
    Normals,
    /// What is dropped comes from a second input.
    Select,
    /// Blocks of 7 × 7 in planes of 64 × 64, or of 32 × 32 where there are fewer elements; the scale is counted.
    DropBlock,
}

/// Elements of a plane of channel dropout: 56 × 56, the largest in the body of a ResNet.
const PLANE: [u64; 2] = [56, 56];
/// Elements of a sample of stochastic depth.
const SAMPLE: u64 = 1 << 16;
/// Time steps of locked dropout, and sequences of a batch.
const STEPS: [u64; 2] = [128, 16];
/// Elements of a gathered row.
const COLUMNS: u64 = 256;
/// Entries of the vocabulary whose embeddings are dropped.
const VOCABULARY: u32 = 50_257;

impl Op {
    /// Inverted dropout of elements with a decision each.
    pub const PLAIN: [Self; 7] = [
        Self::Forward,
        Self::ForwardUnaligned,
        Self::ForwardRows,
        Self::ForwardOffset,
        Self::ForwardFar,
        Self::InPlace,
        Self::Mask,
    ];

    /// Masks that are shared or looked up, other kinds, and what else random numbers are used for.
    pub const FAMILY: [Self; 11] = [
        Self::Channel,
        Self::StochasticDepth,
        Self::Locked,
        Self::GatheredRows,
        Self::Embedding,
        Self::Standard,
        Self::Alpha,
        Self::Gaussian,
        Self::Normals,
        Self::Select,
        Self::DropBlock,
    ];

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::PLAIN.into_iter().chain(Self::FAMILY).map(Self::name)
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::ForwardUnaligned => "forward, start 5",
            Self::ForwardRows => "forward, rows of 1000 in 1031",
            Self::ForwardOffset => "forward, input offset 1",
            Self::ForwardFar => "forward, start 2^40",
            Self::InPlace => "in place",
            Self::Mask => "mask",
            Self::Channel => "channel dropout, planes of 56 × 56",
            Self::StochasticDepth => "stochastic depth by row, rows of 2^16",
            Self::Locked => "locked dropout, 128 steps",
            Self::GatheredRows => "gathered rows of 256",
            Self::Embedding => "embedding dropout, rows of 256",
            Self::Standard => "standard dropout",
            Self::Alpha => "alpha dropout",
            Self::Gaussian => "Gaussian dropout",
            Self::Normals => "normals",
            Self::Select => "select",
            Self::DropBlock => "DropBlock, blocks of 7 × 7",
        }
    }

    /// Bytes that the operation must move for `n` elements. A few row ids and parameters are left out.
    pub fn bytes(self, dtype: Dtype, n: u64) -> u64 {
        match self {
            Self::Mask => MaskFormat::Bits.size(n),
            Self::Normals => n * dtype.size(),
            Self::Select => n * dtype.size() * 3,
            _ => n * dtype.size() * 2,
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Standard => Kind::Standard,
            Self::Alpha => Kind::Alpha,
            Self::Gaussian => Kind::Gaussian,
            _ => Kind::Inverted,
        }
    }

    /// Where `n` elements lie in the logical tensor. The last plane, sample, step or row may end before its shape does.
    pub(crate) fn view(self, n: u64) -> View {
        let shared = |shape: &[u64], axes: &[usize]| View::shared(0, shape, axes).expect("a shape of few axes").skip(0);
        let rows = n.div_ceil(COLUMNS);
        let gathered = |view: View| view.gathered().expect("rows that are not shared");
        match self {
            Self::ForwardUnaligned => View::contiguous(5),
            Self::ForwardRows => View::rows(0, 1000, 1031),
            Self::ForwardFar => View::contiguous(1 << 40),
            Self::Channel => {
                let [height, width] = PLANE;
                shared(&[n.div_ceil(height * width), height, width], &[1, 2])
            }
            Self::StochasticDepth => shared(&[n.div_ceil(SAMPLE), SAMPLE], &[1]),
            Self::Locked => {
                let [steps, sequences] = STEPS;
                shared(&[steps, sequences, n.div_ceil(steps * sequences)], &[0])
            }
            Self::GatheredRows => gathered(shared(&[rows, COLUMNS], &[])),
            Self::Embedding => gathered(shared(&[rows, COLUMNS], &[1])),
            _ => View::contiguous(0),
        }
    }

    /// The ids of the rows of `n` elements, for those that look rows up: in no order.
    pub(crate) fn row_ids(self, n: u64) -> Option<Vec<u32>> {
        let scattered = || (0..n.div_ceil(COLUMNS) as u32).map(|row| row.wrapping_mul(0x9e37_79b1));
        match self {
            Self::GatheredRows => Some(scattered().collect()),
            Self::Embedding => Some(scattered().map(|id| id % VOCABULARY).collect()),
            _ => None,
        }
    }
}
