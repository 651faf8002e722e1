//! `apply`: dropout of an array in a file.

use std::path::PathBuf;

use half::{bf16, f16};
use wgpu_dropout::{BlockMask, Dtype, Element, Kind, Mask, Operation};

use crate::{
    args::{MaskArgs, ProcessorArgs},
    block::{BlockArgs, BlockScale},
    error::Error,
    fused::{Call, FusedArgs},
    input::{Input, dtype},
    output::WholeFile,
    progress,
    samples::{self, SamplesArgs},
    sharing::SharingArgs,
};

/// Apply dropout to an .npy array
///
/// IN holds little-endian f32 ('<f4') or f16 ('<f2') in C order, of any shape; bf16 travels as '<u2' with --dtype bf16.
/// OUT gets the same shape and appears whole or not at all; it may be the same file as IN.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mask: MaskArgs,

    #[command(flatten)]
    sharing: SharingArgs,

    #[command(flatten)]
    block: BlockArgs,

    /// What the elements outside of the blocks are multiplied by
    #[arg(long, value_enum, value_name = "SCALE", requires = "block")]
    block_scale: Option<BlockScale>,

    #[command(flatten)]
    fused: FusedArgs,

    #[command(flatten)]
    samples: SamplesArgs,

    /// What happens to the elements: inverted, standard, alpha or gaussian
    #[arg(long, default_value_t)]
    kind: Kind,

    /// Evaluation instead of training: the identity, but for standard dropout, which multiplies by 1 - p
    #[arg(long, conflicts_with = "backward")]
    evaluate: bool,

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
        if self.block.is_given() && self.kind != Kind::Inverted {
            return Err(Error::Options("--block is of the inverted kind: leave --kind out, or --block"));
        }
        if self.fused.is_given() && self.kind != Kind::Inverted {
            return Err(Error::Options(
                "bias, activation, residual, row keep and their gradients go with the inverted kind: leave --kind out",
            ));
        }
        self.fused.check(self.backward)?;
        let mask = self.mask.mask(self.kind, !self.evaluate)?;
        if self.samples.samples(mask)?.is_some() && self.fused.is_given() {
            return Err(Error::Options(
                "--samples are of dropout alone: leave out bias, activation, residual, row keep and their gradients",
            ));
        }
        Ok(mask)
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    let mask = args.check()?;
    let input = Input::open(&args.input, args.dtype)?;
    let scale = args.block_scale.unwrap_or_default();
    if let Some(blocks) = args.block.mask(args.mask.p(), &mask, scale, input.shape(), args.sharing.shared())? {
        return match input.dtype {
            Dtype::F32 => drop_block::<f32>(args, &blocks, input),
            Dtype::F16 => drop_block::<f16>(args, &blocks, input),
            Dtype::Bf16 => drop_block::<bf16>(args, &blocks, input),
            other => unreachable!("no array is read as {other}"),
        };
    }
    let (mask, row_ids) = args.sharing.mask(mask, input.shape())?;
    mask.check_length(input.elements())?;
    if args.fused.is_given() {
        let (backward, output, processor) = (args.backward, &*args.output, &args.processor);
        return args.fused.run(&Call { mask, row_ids: row_ids.as_deref(), backward, output, processor }, input);
    }
    match input.dtype {
        Dtype::F32 => apply::<f32>(args, mask, row_ids.as_deref(), input),
        Dtype::F16 => apply::<f16>(args, mask, row_ids.as_deref(), input),
        Dtype::Bf16 => apply::<bf16>(args, mask, row_ids.as_deref(), input),
        other => unreachable!("no array is read as {other}"),
    }
}

/// The whole array at once: what is kept is counted over all of it.
fn drop_block<T: Element>(args: &Args, blocks: &BlockMask, input: Input) -> Result<(), Error> {
    let mut output = WholeFile::create(&args.output)?;
    let processor = args.processor.open()?;
    output.write(&Vec::from(input.header()))?;
    let x: Vec<T> = input.read_all()?;
    let mut y = vec![T::zeroed(); x.len()];
    processor.run_pass(blocks.forward(&x, &mut y))?;
    output.write(bytemuck::cast_slice(&y))?;
    output.finish()
}

fn apply<T: Element + Send + Sync>(
    args: &Args,
    mask: Mask,
    row_ids: Option<&[u32]>,
    mut input: Input,
) -> Result<(), Error> {
    let mut output = WholeFile::create(&args.output)?;
    let processor = args.processor.open()?;
    if let Some(samples) = args.samples.samples(mask)? {
        return samples::run::<T>(&samples, row_ids, &processor, input, output);
    }
    output.write(&Vec::from(input.header()))?;
    let operation = if args.backward { Operation::Backward(mask) } else { Operation::Forward(mask) };
    let (elements, chunk) = (input.elements(), processor.chunk_of_values());
    let bar = progress::bar(elements, chunk);
    let mut done = 0;
    while done < elements {
        let x: Vec<T> = input.read(chunk.min(elements - done))?;
        let y = processor.run(operation.skip(done), &x, row_ids)?;
        output.write(bytemuck::cast_slice(&y))?;
        done += x.len() as u64;
        bar.set_position(done);
    }
    input.end()?;
    bar.finish_and_clear();
    output.finish()
}
