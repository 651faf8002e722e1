//! `mask`: keep masks as a stream of bytes.

use std::path::PathBuf;

use wgpu_dropout::{BlockMask, Kind, Mask};

use crate::{
    args::{MaskArgs, ProcessorArgs, number},
    block::{BlockArgs, BlockScale},
    error::Error,
    npy::Header,
    progress,
    sharing::SharingArgs,
    stream::{Sink, for_each_chunk},
};

/// Write a keep mask: 1 = kept
///
/// To standard output unless --output is given. With --count 0 the mask goes on until the index range ends or the
/// reader closes the pipe.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mask: MaskArgs,

    /// How many elements; 0 means without end
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    #[arg(required_unless_present = "shape", conflicts_with_all = ["shape", "share", "strides", "row_ids", "block"])]
    count: Option<u64>,

    /// The shape of the elements (row-major) instead of their count
    #[arg(long, value_name = "SHAPE", value_delimiter = ',', value_parser = number, allow_hyphen_values = true)]
    shape: Option<Vec<u64>>,

    #[command(flatten)]
    sharing: SharingArgs,

    #[command(flatten)]
    block: BlockArgs,

    /// How an element is written
    #[arg(long, value_enum, default_value_t = Format::Bits)]
    format: Format,

    /// The file to create or replace, which appears whole or not at all
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    processor: ProcessorArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Packed little-endian 32-bit words: element j is bit j & 31 of word j >> 5; unused bits are 0
    Bits,
    /// One byte an element, 0 or 1
    Bytes,
    /// An .npy array of booleans ('|b1') of the shape, or of shape (N,)
    Npy,
}

impl Args {
    /// The mask, when the options make sense.
    pub fn check(&self) -> Result<Mask, Error> {
        let mask = self.mask.mask(Kind::Inverted, true)?;
        let endless = self.count == Some(0);
        if endless && self.format == Format::Npy {
            return Err(Error::Options(
                "--count 0 is without end, and an .npy header states the length: give a --count",
            ));
        }
        if endless && self.output.is_some() {
            return Err(Error::Options(
                "--count 0 is without end, and --output would fill the disk: give a --count, or a pipe",
            ));
        }
        if endless && !mask.view().is_contiguous() {
            return Err(Error::Options(
                "--count 0 is without end, and goes along one row: give a --count, or no --row-length",
            ));
        }
        // A mask without end has at least one element.
        self.count.map_or(Ok(()), |count| mask.check_length(count.max(1)))?;
        Ok(mask)
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    let mask = args.check()?;
    let shape = args.shape.clone().unwrap_or_else(|| args.count.into_iter().collect());
    let shared = args.sharing.shared();
    if let Some(blocks) = args.block.mask(args.mask.p(), &mask, BlockScale::None, &shape, shared)? {
        return write_blocks(args, &blocks, &shape);
    }
    let (mask, row_ids) = args.sharing.mask(mask, &shape)?;
    let total = match args.count {
        Some(0) => mask.generator().index_end() - u128::from(mask.view().start()),
        _ => Header::new("|b1", &shape).elements().ok_or(Error::Options("--shape has more than 2^64 elements"))?.into(),
    };
    if args.count != Some(0) {
        mask.check_length(total as u64)?;
    }

    let mut sink = Sink::open(args.output.as_deref())?;
    let processor = args.processor.open()?;
    if args.format == Format::Npy {
        sink.write(&Vec::from(&Header::new("|b1", &shape)))?;
    }
    // A multiple of 32 elements, so that the packed words join.
    let chunk = processor.chunk_of_mask();
    let bar = progress::bar(args.count.unwrap_or(total as u64), chunk);
    let mut done = 0;
    let compute = |first, length| processor.keep_mask(&mask.skip(first), length, row_ids.as_deref());
    for_each_chunk(chunk, total, compute, |words, length| {
        match args.format {
            Format::Bits => sink.write(bytemuck::cast_slice(&words))?,
            Format::Bytes | Format::Npy => write_a_byte_each(&mut sink, &words, length)?,
        }
        done += length;
        bar.set_position(done);
        Ok(())
    })?;
    bar.finish_and_clear();
    sink.finish()
}

/// The mask of `DropBlock`, at once.
fn write_blocks(args: &Args, blocks: &BlockMask, shape: &[u64]) -> Result<(), Error> {
    let mut sink = Sink::open(args.output.as_deref())?;
    let mut words = vec![0; blocks.elements().div_ceil(32) as usize];
    args.processor.open()?.run_pass(blocks.packed_mask(&mut words[..]))?;
    if args.format == Format::Npy {
        sink.write(&Vec::from(&Header::new("|b1", shape)))?;
    }
    match args.format {
        Format::Bits => sink.write(bytemuck::cast_slice(&words))?,
        Format::Bytes | Format::Npy => write_a_byte_each(&mut sink, &words, blocks.elements())?,
    }
    sink.finish()
}

fn write_a_byte_each(sink: &mut Sink, words: &[u32], length: u64) -> Result<(), Error> {
    const WORDS: usize = 1 << 13;
    let mut bytes = vec![0; WORDS * 32];
    let mut left = length as usize;
    for words in words.chunks(WORDS) {
        for (bytes, word) in bytes.chunks_exact_mut(32).zip(words) {
            for (bit, byte) in bytes.iter_mut().enumerate() {
                *byte = (word >> bit) as u8 & 1;
            }
        }
        let written = left.min(words.len() * 32);
        sink.write(&bytes[..written])?;
        left -= written;
    }
    Ok(())
}
