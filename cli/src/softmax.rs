//! `softmax`: softmax and dropout of an array in a file, and its gradient.

use std::path::PathBuf;

use half::{bf16, f16};
use wgpu_dropout::{Dtype, Element, Kind, SoftmaxDropout};

use crate::{
    args::{MaskArgs, ProcessorArgs},
    error::Error,
    input::{Input, dtype},
    output::WholeFile,
};

/// Softmax and dropout along the last axis of an .npy array
///
/// OUT is dropout(softmax(IN * factor)), of IN's shape (..., queries, keys); with --p 0 the softmax alone. IN holds
/// little-endian f32 ('<f4') or f16 ('<f2') in C order; bf16 travels as '<u2' with --dtype bf16. OUT appears whole or not
/// at all; it may be the same file as IN.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mask: MaskArgs,

    /// What the input is multiplied by before the softmax
    #[arg(long, value_name = "F", default_value_t = 1.0, allow_negative_numbers = true)]
    factor: f32,

    /// Let query q see the keys up to q + keys - queries alone
    #[arg(long)]
    causal: bool,

    /// Compute the gradient of IN from this one of the output, of the same shape and type
    #[arg(long, value_name = "DY.npy")]
    backward: Option<PathBuf>,

    /// How the elements are stored: f32, f16 or bf16 [default: what IN says]
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
    /// The softmax of matrices of a shape, when the options make sense.
    fn softmax(&self, queries: u64, keys: u64) -> Result<SoftmaxDropout, Error> {
        if !self.factor.is_finite() {
            return Err(wgpu_dropout::Error::Factor { factor: self.factor }.into());
        }
        let softmax = SoftmaxDropout::new(self.mask.mask(Kind::Inverted, true)?, queries, keys)?;
        Ok(softmax.with_factor(self.factor).with_causal(self.causal))
    }

    /// Checks the options, as far as they can be without the array.
    pub fn check(&self) -> Result<(), Error> {
        self.softmax(1, 1).map(|_| ())
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    args.check()?;
    let input = Input::open(&args.input, args.dtype)?;
    let Some((&keys, others)) = input.shape().split_last() else {
        return Err(Error::input(&args.input, "it has no axes, and a softmax is along the last: save a[None] instead"));
    };
    let queries = others.last().copied().unwrap_or(1);
    // Without elements there are no matrices.
    let softmax = if input.elements() == 0 { args.softmax(1, 1)? } else { args.softmax(queries, keys)? };
    let dy = args.backward.as_ref().map(|path| Input::open(path, args.dtype)).transpose()?;
    if let (Some(dy), Some(path)) = (&dy, &args.backward) {
        if dy.shape() != input.shape() || dy.dtype != input.dtype {
            let (found, needed) = (dy.header().shape_text(), input.header().shape_text());
            let problem = format!(
                "it is {found} of {}, and the input {needed} of {}: give the gradient of its softmax, of the same shape and \
                 type",
                dy.dtype, input.dtype
            );
            return Err(Error::input(path, problem));
        }
    }
    match input.dtype {
        Dtype::F32 => of_type::<f32>(args, softmax, input, dy),
        Dtype::F16 => of_type::<f16>(args, softmax, input, dy),
        Dtype::Bf16 => of_type::<bf16>(args, softmax, input, dy),
        other => unreachable!("no array is read as {other}"),
    }
}

/// The whole array at once.
fn of_type<T: Element>(args: &Args, softmax: SoftmaxDropout, input: Input, dy: Option<Input>) -> Result<(), Error> {
    let mut output = WholeFile::create(&args.output)?;
    let processor = args.processor.open()?;
    output.write(&Vec::from(input.header()))?;
    let x: Vec<T> = input.read_all()?;
    let mut y = vec![T::zeroed(); x.len()];
    match dy {
        None => processor.run_pass(softmax.forward(&x, &mut y))?,
        Some(dy) => processor.run_pass(softmax.backward(&x, &dy.read_all::<T>()?, &mut y))?,
    }
    output.write(bytemuck::cast_slice(&y))?;
    output.finish()
}
