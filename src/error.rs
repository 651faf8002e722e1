use crate::{Dtype, Generator};

/// What can go wrong. Every message names the value and the remedy; bad input never panics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The drop probability is not a number in [0, 1].
    #[error("the drop probability p is {p}: it must be a number from 0 to 1")]
    Probability {
        /// The value given.
        p: f64,
    },

    /// The logical index of the last element is past what the generator's counter can address.
    #[error(
        "{length} elements from start {start} on reach past the last element index of {generator} ({}): \
         use a smaller start, or another stream of the key",
        if *generator == Generator::Philox { "2^59" } else { "2^64" }
    )]
    IndexRange {
        /// The logical index of the first element.
        start: u64,
        /// The number of elements.
        length: u64,
        /// The generator.
        generator: Generator,
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

    /// A range's size is not what the elements need.
    #[error("the {role} range has {size} bytes: {remedy}")]
    Size {
        /// "input", "output" or "mask".
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
        /// "input", "output" or "mask".
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
        /// "input", "output" or "mask".
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
        /// "input", "output" or "mask".
        role: &'static str,
        /// One past the last byte of the range.
        end: u64,
        /// Bytes of the buffer.
        buffer_size: u64,
    },

    /// A buffer was created without a usage that is needed.
    #[error("the {role} buffer lacks the usage {needed}: create it with wgpu::BufferUsages::{needed}")]
    Usage {
        /// "input", "output" or "mask".
        role: &'static str,
        /// The usage flag.
        needed: &'static str,
    },

    /// Input and output share bytes, or a 4-byte word, without being the same range.
    #[error(
        "input bytes {input_start}..{input_end} and output bytes {output_start}..{output_end} of one buffer overlap or \
         share a 4-byte word: use the same range for both (in place) or ranges that share no word"
    )]
    Overlap {
        /// First byte of the input.
        input_start: u64,
        /// One past the last byte of the input.
        input_end: u64,
        /// First byte of the output.
        output_start: u64,
        /// One past the last byte of the output.
        output_end: u64,
    },

    /// A key or a given mask lies where the same call writes.
    #[error("the {role} lies in the buffer that is written to: {remedy}")]
    SameBuffer {
        /// "key" or "mask".
        role: &'static str,
        /// What would be right.
        remedy: &'static str,
    },

    /// More bytes than the device can bind or address at once.
    #[error(
        "{bytes} bytes are more than the {limit} of this device ({what}): split the data, or request a device with a higher limit (see requirements)"
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
    },

    /// The adapter or device cannot run compute shaders as the library needs them.
    #[error("'{device}' cannot run the kernels: {reason}")]
    Unsupported {
        /// The adapter's name.
        device: String,
        /// What is missing.
        reason: String,
    },

    /// The device reported an error: a buffer that was destroyed or belongs to another device, for example.
    #[error("the device refused the {what}: {message}")]
    Device {
        /// What was being done.
        what: &'static str,
        /// The device's own words.
        message: String,
    },

    /// The device, or for a result the host, is out of memory.
    #[error("out of memory for the {what}: use smaller pieces (Mask::skip) or free buffers first")]
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
