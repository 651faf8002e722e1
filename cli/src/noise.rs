//! `noise`: standard normals as a stream of bytes.

use std::path::PathBuf;

use wgpu_dropout::{Generator, Key};

use crate::{
    args::{ProcessorArgs, number},
    error::Error,
    npy::Header,
    progress,
    stream::{Sink, for_each_chunk},
};

/// Write standard normal noise, the same bits everywhere
///
/// To standard output unless --output is given. With --count 0 the noise goes on until the index range ends or the
/// reader closes the pipe.
#[derive(clap::Args)]
pub struct Args {
    /// The seed of the experiment, 64 bits, decimal or 0x hexadecimal
    #[arg(long, value_parser = number, allow_negative_numbers = true)]
    seed: u64,

    /// Which of the seed's noises: layer << 48 | sample << 32 | step
    #[arg(long, value_parser = number, default_value = "0", allow_negative_numbers = true)]
    stream: u64,

    /// The index of the first normal
    #[arg(long, value_parser = number, default_value = "0", allow_negative_numbers = true)]
    start: u64,

    /// The random generator: threefry or philox
    #[arg(long, default_value_t)]
    generator: Generator,

    /// How many normals; 0 means without end
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    count: u64,

    /// How a normal is written
    #[arg(long, value_enum, default_value_t = Format::F32)]
    format: Format,

    /// The file to create or replace, which appears whole or not at all
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    processor: ProcessorArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Little-endian 32-bit floats ('<f4')
    F32,
    /// Little-endian 32-bit integers ('<i4') in units of 2^-21, which every normal is a multiple of
    Q21,
    /// An .npy array of 32-bit floats ('<f4') of shape (N,)
    Npy,
}

impl Args {
    /// Whether the options make sense.
    pub fn check(&self) -> Result<(), Error> {
        let endless = self.count == 0;
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
        // Noise without end has at least one normal.
        Ok(self.generator.check_normals(self.start, self.count.max(1))?)
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    args.check()?;
    let (generator, key) = (args.generator, Key::new(args.seed).with_stream(args.stream));
    let total = if args.count == 0 { generator.normal_end() - u128::from(args.start) } else { args.count.into() };

    let mut sink = Sink::open(args.output.as_deref())?;
    let processor = args.processor.open()?;
    if args.format == Format::Npy {
        sink.write(&Vec::from(&Header::new("<f4", &[args.count])))?;
    }
    let chunk = processor.chunk_of_values();
    let bar = progress::bar(args.count, chunk);
    let mut done = 0;
    let compute = |first, length| processor.normals(generator, key, args.start + first, length);
    for_each_chunk(chunk, total, compute, |normals, length| {
        match args.format {
            Format::F32 | Format::Npy => sink.write(bytemuck::cast_slice(&normals))?,
            Format::Q21 => sink.write(bytemuck::cast_slice(&q21(&normals)))?,
        }
        done += length;
        bar.set_position(done);
        Ok(())
    })?;
    bar.finish_and_clear();
    sink.finish()
}

/// Exact: every normal is a multiple of 2⁻²¹, below 8.
fn q21(normals: &[f32]) -> Vec<i32> {
    normals.iter().map(|z| (z * 2_097_152.0) as i32).collect()
}
