//! The options that several commands share.

use wgpu_dropout::{Dropout, Generator, Key, Kind, Mask, View, kernels::Schedule};

use crate::{adapter, error::Error, processor::Processor};

/// Names one random mask.
#[derive(clap::Args)]
pub struct MaskArgs {
    /// The probability to drop an element, 0 to 1
    #[arg(long, allow_negative_numbers = true)]
    p: f64,

    /// The seed of the experiment, 64 bits, decimal or 0x hexadecimal
    #[arg(long, value_parser = number, allow_negative_numbers = true)]
    seed: u64,

    /// Which of the seed's masks: layer << 48 | sample << 32 | step
    #[arg(long, value_parser = number, default_value = "0", allow_negative_numbers = true)]
    stream: u64,

    /// Where the first element lies in the whole tensor, in elements
    #[arg(long, value_parser = number, default_value = "0", allow_negative_numbers = true)]
    start: u64,

    /// For rows of a wider matrix: elements of a row
    #[arg(long, value_name = "L", value_parser = number, requires = "row_pitch", allow_negative_numbers = true)]
    row_length: Option<u64>,

    /// And elements from the start of a row to the start of the next
    #[arg(long, value_name = "P", value_parser = number, requires = "row_length", allow_negative_numbers = true)]
    row_pitch: Option<u64>,

    /// The random generator: threefry or philox
    #[arg(long, default_value_t)]
    generator: Generator,
}

impl MaskArgs {
    pub const fn p(&self) -> f64 {
        self.p
    }

    pub fn mask(&self, kind: Kind, training: bool) -> Result<Mask, Error> {
        let dropout = Dropout::of_kind(kind, self.p)?.with_generator(self.generator).with_training(training);
        let view = match (self.row_length, self.row_pitch) {
            (Some(length), Some(pitch)) => View::rows(self.start, length, pitch),
            _ => View::contiguous(self.start),
        };
        Ok(dropout.mask(Key::new(self.seed).with_stream(self.stream)).at(view))
    }
}

/// Who computes.
#[derive(clap::Args)]
pub struct ProcessorArgs {
    /// The adapter, as `wgpu-dropout info` numbers them [default: the one that wgpu thinks best]
    #[arg(long, value_name = "N")]
    adapter: Option<usize>,

    /// Compute with the CPU reference instead of a GPU
    #[arg(long, conflicts_with = "adapter")]
    cpu: bool,
}

impl ProcessorArgs {
    pub fn open(&self) -> Result<Processor, Error> {
        if self.cpu { Ok(Processor::Cpu) } else { adapter::open(self.adapter).map(Processor::Gpu) }
    }
}

/// A schedule by its name.
pub fn schedule(name: &str) -> Result<Schedule, String> {
    let found = Schedule::ALL.iter().copied().find(|schedule| schedule.name() == name);
    found.ok_or_else(|| "use groups, interleaved or blocked".to_owned())
}

/// A 64-bit number, decimal or 0x hexadecimal.
pub fn number(text: &str) -> Result<u64, String> {
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    u64::from_str_radix(digits, radix).map_err(|_| {
        "it must be a whole number from 0 to 18446744073709551615, decimal or hexadecimal (0x and digits)".to_owned()
    })
}
