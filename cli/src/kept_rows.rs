//! `kept-rows`: the numbers of the rows that a mask keeps.

use std::path::PathBuf;

use wgpu_dropout::{Kind, Mask};

use crate::{
    args::{MaskArgs, ProcessorArgs, number},
    error::Error,
    npy::Header,
    progress,
    stream::Sink,
};

/// Write the numbers of the rows that a mask over rows keeps, in ascending order
///
/// A row is dropped or kept whole, as stochastic depth does: a row is an element of the mask. To standard output unless
/// --output is given.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mask: MaskArgs,

    /// How many rows, below 2^32
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    count: u64,

    /// How the numbers are written
    #[arg(long, value_enum, default_value_t = Format::Raw)]
    format: Format,

    /// The file to create or replace, which appears whole or not at all
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    processor: ProcessorArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Little-endian 32-bit words ('<u4'), nothing else
    Raw,
    /// An .npy array of '<u4' of shape (number of kept rows,)
    Npy,
}

impl Args {
    /// The mask, when the options make sense.
    pub fn check(&self) -> Result<Mask, Error> {
        let mask = self.mask.mask(Kind::Inverted, true)?;
        if u32::try_from(self.count).is_err() {
            return Err(Error::Options(
                "numbers of rows have 32 bits: give a --count below 2^32, and --start for the rest",
            ));
        }
        mask.check_length(self.count)?;
        Ok(mask)
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    let mask = args.check()?;
    let mut sink = Sink::open(args.output.as_deref())?;
    let processor = args.processor.open()?;
    let chunk = processor.chunk_of_values();
    let bar = progress::bar(args.count, chunk);
    // The header of an array states its length, which the end tells.
    let mut all = vec![];
    let mut done = 0;
    while done < args.count {
        let count = chunk.min(args.count - done);
        let mut rows = processor.kept_rows(&mask.skip(done), count)?;
        rows.iter_mut().for_each(|row| *row += done as u32);
        match args.format {
            Format::Raw => sink.write(bytemuck::cast_slice(&rows))?,
            Format::Npy => all.append(&mut rows),
        }
        done += count;
        bar.set_position(done);
    }
    if args.format == Format::Npy {
        sink.write(&Vec::from(&Header::new("<u4", &[all.len() as u64])))?;
        sink.write(bytemuck::cast_slice(&all))?;
    }
    bar.finish_and_clear();
    sink.finish()
}
