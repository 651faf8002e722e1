//! `apply`: dropout of an array in a file.

use std::path::PathBuf;

use half::{bf16, f16};
use wgpu_dropout::{Dtype, Element, Mask};

use crate::{
    args::{MaskArgs, ProcessorArgs},
    error::Error,
    input::{Input, dtype},
    output::WholeFile,
    progress,
};

/// Apply dropout to an .npy array
///
/// IN holds little-endian f32 ('<f4') or f16 ('<f2') in C order, of any shape; bf16 travels as '<u2' with --dtype bf16.
/// OUT gets the same shape and appears whole or not at all; it may be the same file as IN.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mask: MaskArgs,

    /// Take IN as the gradient of the output and compute that of the input
    #[arg(long)]
    backward: bool,

    /// How IN's elements are stored: f32, f16 or bf16 [default: what IN says]
    #[arg(long, value_parser = dtype)]
    dtype: Option<Dtype>,

    #[command(flatten)]
    processor: ProcessorArgs,

    /// The array to read
    #[arg(value_name = "IN.npy")]
    input: PathBuf,

    /// The file to create or replace
    #[arg(value_name = "OUT.npy")]
    output: PathBuf,
}

impl Args {
    /// The mask, when the options make sense.
    pub fn check(&self) -> Result<Mask, Error> {
        self.mask.mask()
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    let mask = args.check()?;
    let input = Input::open(&args.input, args.dtype)?;
    mask.check_length(input.elements)?;
    match input.dtype {
        Dtype::F32 => apply::<f32>(args, &mask, input),
        Dtype::F16 => apply::<f16>(args, &mask, input),
        Dtype::Bf16 => apply::<bf16>(args, &mask, input),
        other => unreachable!("no array is read as {other}"),
    }
}

fn apply<T: Element + Send + Sync>(args: &Args, mask: &Mask, mut input: Input) -> Result<(), Error> {
    let mut output = WholeFile::create(&args.output)?;
    let processor = args.processor.open()?;

    output.write(&Vec::from(&input.header))?;
    let chunk = processor.chunk_of_values();
    let bar = progress::bar(input.elements, chunk);
    let mut done = 0;
    while done < input.elements {
        let x: Vec<T> = input.read(chunk.min(input.elements - done))?;
        let mask = mask.skip(done);
        let y = if args.backward { processor.backward(&mask, &x) } else { processor.forward(&mask, &x) }?;
        output.write(bytemuck::cast_slice(&y))?;
        done += x.len() as u64;
        bar.set_position(done);
    }
    input.end()?;
    bar.finish_and_clear();
    output.finish()
}
