use std::fmt;

use crate::{Dtype, Generator, Kind};

/// What caused an [`Error`]: wgpu's own error. None in browsers, where those cannot leave their thread.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong. Every message names the value and the remedy; bad input never panics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The drop probability is not a number in [0, 1], or 1 for Gaussian noise.
    #[error(
        "the drop probability p is {p}: it must be a number from 0 to 1{}",
        if *kind == Kind::Gaussian { ", and below 1 for Gaussian noise, whose variance p/(1 - p) is infinite there" } else { "" }
    )]
    Probability {
        /// The value given.
        p: f64,
        /// What it is for.
        kind: Kind,
    },

    /// The logical index of the last element is past what the generator's counter can address.
    #[error(
        "{length} elements from start {start} on reach past the last index of {generator} (2^{}): \
         use a smaller start or smaller strides, or another stream of the key",
        limit.ilog2()
    )]
    IndexRange {
        /// The logical index of the first element.
        start: u64,
        /// The number of elements.
        length: u64,
        /// One past the last index that there is.
        limit: u128,
        /// The generator.
        generator: Generator,
    },

    /// A block of `DropBlock` has no sizes, or too many.
    #[error("a block of {axes} axes: give 1, 2 or 3 sizes, one for each spatial axis")]
    BlockAxes {
        /// The sizes given.
        axes: usize,
    },

    /// A size of a block of `DropBlock` is 0.
    #[error("size {size} of axis {axis} of a block: it must be at least 1")]
    BlockSize {
        /// Which of the block's axes.
        axis: usize,
        /// The value given.
        size: u64,
    },

    /// A shape does not go together with the spatial axes of a block, or with the axes that share its mask.
    #[error(
        "the shape {shape:?} with {axes} spatial axes and the shared axes {shared:?}: the shape needs an axis for each size \
         of the block, the last ones, and shared axes lie before those; of these at most 8 after merging equal neighbours"
    )]
    BlockShape {
        /// The shape given.
        shape: Vec<u64>,
        /// Sizes of the block.
        axes: usize,
        /// The shared axes given.
        shared: Vec<usize>,
    },

    /// A shard of a block mask has planes that the whole has not.
    #[error("{count} planes from plane {first} on of a block mask of {planes}: name planes that it has")]
    Planes {
        /// The first plane.
        first: u64,
        /// How many.
        count: u64,
        /// How many there are.
        planes: u64,
    },

    /// The scratch lies in a buffer that the same call reads or writes.
    #[error("the scratch lies in the buffer of the {role}: put it in a buffer of its own")]
    ScratchBuffer {
        /// "input" or "output".
        role: &'static str,
    },

    /// Monte Carlo samples that a key has not.
    #[error(
        "{count} samples from sample {first} on reach past the last of the 65536 that a key has: draw fewer, or use another \
         stream of the key for the rest"
    )]
    Samples {
        /// The first sample.
        first: u64,
        /// How many.
        count: u64,
    },

    /// Rows that overlap or have no elements.
    #[error(
        "a view with row length {row_length} and row pitch {row_pitch}: the length must be at least 1 and the pitch at \
         least the length"
    )]
    View {
        /// Elements of a row.
        row_length: u64,
        /// Elements from row to row.
        row_pitch: u64,
    },

    /// A shape that is none, or not that of the data.
    #[error("the shape {shape:?}: {problem}")]
    Shape {
        /// The extents of the axes.
        shape: Vec<u64>,
        /// What is wrong with it, and what would be right.
        problem: String,
    },

    /// Gathered rows without an id for each, or ids for rows that are not gathered.
    #[error(
        "{}: {}",
        ids.map_or("there are no row ids".to_owned(), |ids| format!("there are {ids} row ids")),
        if *rows == 0 { "rows of this mask are not looked up: leave them out, or gather the mask".to_owned() }
        else { format!("give {rows}, one for each row of axis 0") }
    )]
    RowIds {
        /// Rows that are looked up.
        rows: u64,
        /// The ids given.
        ids: Option<u64>,
    },

    /// A factor that is no finite number.
    #[error("the factor is {factor}: it must be a finite number")]
    Factor {
        /// The value given.
        factor: f32,
    },

    /// Gaussian noise drops nothing.
    #[error("Gaussian noise has no keep mask: use another kind, or the normals themselves (Context::normals)")]
    NoMask,

    /// Input and output are stored differently.
    #[error("the input is {input} and the output {output}: give ranges of the same type")]
    Dtype {
        /// Type of the input's elements.
        input: Dtype,
        /// Type of the output's elements.
        output: Dtype,
    },

    /// Input and output differ in length.
    #[error("the input has {input} bytes and the output {output}: give ranges of the same length")]
    Length {
        /// Bytes of the input range.
        input: u64,
        /// Bytes of the output range.
        output: u64,
    },

    /// A number is not in its range.
    #[error("the number of {what} is {value}: {remedy}")]
    Number {
        /// What is counted.
        what: &'static str,
        /// The value given.
        value: u64,
        /// What would be right.
        remedy: &'static str,
    },

    /// A range's size is not what the elements need.
    #[error("the {role} range has {size} bytes: {remedy}")]
    Size {
        /// "input", "output", "mask", …
        role: &'static str,
        /// Bytes of the range.
        size: u64,
        /// What would be right.
        remedy: &'static str,
    },

    /// A range reaches past the end of its buffer.
    #[error(
        "the {role} range, offset {offset} + size {size}, reaches past its buffer of {buffer_size} bytes: \
         shorten the range or make the buffer larger"
    )]
    OutOfBounds {
        /// "input", "output", "mask", …
        role: &'static str,
        /// Bytes before the range.
        offset: u64,
        /// Bytes of the range.
        size: u64,
        /// Bytes of the buffer.
        buffer_size: u64,
    },

    /// A range starts where the elements cannot.
    #[error("the {role} range starts at byte {offset}: it must be a multiple of {alignment}")]
    Alignment {
        /// "input", "output", "mask", …
        role: &'static str,
        /// Bytes before the range.
        offset: u64,
        /// What the offset must be a multiple of.
        alignment: u64,
    },

    /// The last word of a range of small elements is cut off by the end of the buffer.
    #[error(
        "the {role} range ends at byte {end}, inside of the last word of its buffer of {buffer_size} bytes, which shaders \
         can only see whole: create the buffer with a size that is a multiple of 4"
    )]
    LastWord {
        /// "input", "output", "mask", …
        role: &'static str,
        /// One past the last byte of the range.
        end: u64,
        /// Bytes of the buffer.
        buffer_size: u64,
    },

    /// A buffer was created without a usage that is needed.
    #[error("the {role} buffer lacks the usage {needed}: create it with wgpu::BufferUsages::{needed}")]
    Usage {
        /// "input", "output", "mask", …
        role: &'static str,
        /// The usage flag.
        needed: &'static str,
    },

    /// The input or a packed mask shares bytes, or a 4-byte word, with the output, without being the same range.
    #[error(
        "{role} bytes {start}..{end} and output bytes {output_start}..{output_end} of one buffer overlap or share a \
         4-byte word: use one range for input and output (in place), or ranges that share no word"
    )]
    Overlap {
        /// "input" or "mask".
        role: &'static str,
        /// Its first byte.
        start: u64,
        /// One past its last byte.
        end: u64,
        /// First byte of the output.
        output_start: u64,
        /// One past the last byte of the output.
        output_end: u64,
    },

    /// A key lies in the buffer that the same call writes to.
    #[error("the key lies in the buffer that is written to: put the key in a buffer of its own")]
    SameBuffer,

    /// A rate in a buffer, for what takes p from the host alone.
    #[error("{what} takes no rate from a buffer: bind the key alone (Context::bind_key), and give p with the mask")]
    NoRate {
        /// What was asked for.
        what: &'static str,
    },

    /// A row keep that does not go with the mask of the elements.
    #[error("a fused pass cannot take this mask of rows: {problem}")]
    RowKeep {
        /// What is wrong with it, and what would be right.
        problem: &'static str,
    },

    /// Elements that are no whole rows.
    #[error("{elements} elements are no whole rows of {columns} columns: give a multiple of the columns")]
    Columns {
        /// The elements given.
        elements: u64,
        /// Elements of a row.
        columns: u64,
    },

    /// A kind of dropout that something is not made of.
    #[error("{what} is of inverted dropout, and the mask's kind is {kind}: make the mask with Dropout::new")]
    Kind {
        /// What was asked for.
        what: &'static str,
        /// The kind given.
        kind: Kind,
    },

    /// Everything is dropped, and what is divided by the probability to keep has no moments.
    #[error("the variance for p = 1 is infinite: give a p below 1")]
    InfiniteVariance,

    /// An object was made by another context.
    #[error("the {what} was bound by another context: bind it with the context that records")]
    OtherContext {
        /// "key".
        what: &'static str,
    },

    /// The operands are not those that the operation needs.
    #[error("the operation '{operation}' needs {needs}: bind those")]
    Operands {
        /// The operation.
        operation: &'static str,
        /// What it needs.
        needs: &'static str,
    },

    /// The WGSL text of the keep rule knows contiguous elements only.
    #[error(
        "a mask with strides {strides:?}: what is given describes contiguous elements; give a mask with a start alone \
         (Mask::at), a row at a time"
    )]
    NotContiguous {
        /// Decisions from one coordinate of an axis to the next.
        strides: Vec<u64>,
    },

    /// More bytes than the device can bind or address at once.
    #[error(
        "{bytes} bytes are more than the {limit} of this device ({what}): split the data, or request a device with a \
         higher limit (see requirements)"
    )]
    TooLarge {
        /// Bytes that are needed.
        bytes: u64,
        /// Bytes that are possible.
        limit: u64,
        /// Which limit.
        what: &'static str,
    },

    /// No adapter was found.
    #[error("no GPU adapter was found: {remedy} ({reason})")]
    NoAdapter {
        /// How to get one on this operating system.
        remedy: &'static str,
        /// What wgpu says.
        reason: String,
        /// wgpu's own error.
        source: Option<Source>,
    },

    /// The adapter or device cannot run compute shaders as the library needs them.
    #[error("'{device}' cannot run the kernels: {reason}")]
    Unsupported {
        /// The adapter's name.
        device: String,
        /// What is missing.
        reason: String,
        /// wgpu's own error, where there is one.
        source: Option<Source>,
    },

    /// The device reported an error: a buffer that was destroyed or belongs to another device, for example.
    #[error("the device refused the {what}: {message}")]
    Device {
        /// What was being done.
        what: &'static str,
        /// The device's own words.
        message: String,
        /// wgpu's own error, where there is one.
        source: Option<Source>,
    },

    /// The device, or for a result the host, is out of memory.
    #[error("out of memory for the {what}: use smaller chunks (Mask::skip) or free buffers first")]
    OutOfMemory {
        /// What was being created.
        what: &'static str,
    },

    /// The device was lost: unplugged, reset, or destroyed.
    #[error("the device was lost: {message}. Create a new Context")]
    DeviceLost {
        /// What is known about it.
        message: String,
    },
}

impl Error {
    pub(crate) fn unsupported(device: &str, reason: String) -> Self {
        Self::Unsupported { device: device.to_owned(), reason, source: None }
    }
}

/// A text that names nothing: see [`Generator`], [`Dtype`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    what: &'static str,
    name: String,
    known: Vec<&'static str>,
}

impl UnknownName {
    /// The one of `all` with this name.
    pub(crate) fn find<T: Copy>(
        what: &'static str,
        name: &str,
        all: &[T],
        name_of: impl Fn(T) -> &'static str,
    ) -> Result<T, Self> {
        let found = all.iter().copied().find(|&value| name_of(value) == name);
        found.ok_or_else(|| Self {
            what,
            name: name.to_owned(),
            known: all.iter().map(|&value| name_of(value)).collect(),
        })
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} '{}': use {}", self.what, self.name, self.known.join(" or "))
    }
}

impl std::error::Error for UnknownName {}
