//! `connect`: `DropConnect` of arrays in files.

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use wgpu_dropout::{DropConnect, Dtype, Element, Kind, Mask};

use crate::{
    args::{MaskArgs, ProcessorArgs, number},
    error::Error,
    input::{Input, dtype},
    npy::{Header, printable},
    output::WholeFile,
    processor::Processor,
};

/// The product of weights and a batch with `DropConnect`: each weight is dropped for each example by itself
///
/// W has the shape (outputs, inputs) and X (batch, inputs), of one dtype: little-endian f32 ('<f4') or f16 ('<f2') in C order;
/// bf16 travels as '<u2' with --dtype bf16. Y gets the shape (batch, outputs) and that dtype. The decision of weight (o, i) for
/// example b is that of index start + (b outputs + o) inputs + i. All arrays are held in memory, and every file appears whole
/// or not at all.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mask: MaskArgs,

    /// One mask for all examples of the batch
    #[arg(long)]
    per_batch: bool,

    /// Compute both gradients instead, from that of Y: DX gets X's shape, and DW that of W. No Y is given then
    #[arg(
        long, num_args = 3, value_names = ["DY.npy", "DX.npy", "DW.npy"],
        conflicts_with_all = ["moments", "samples", "output"]
    )]
    backward: Option<Vec<PathBuf>>,

    /// Write mean and variance of Y over all masks, for inference. Y is given with --samples alone then
    #[arg(long, num_args = 2, value_names = ["MEAN.npy", "VAR.npy"], conflicts_with = "per_batch")]
    moments: Option<Vec<PathBuf>>,

    /// Write T samples of normals with these moments: Y has the shape (T, batch, outputs), and sample s takes the normals from
    /// index start on of the key with S + s for its sample
    #[arg(long, value_name = "T", value_parser = number, allow_negative_numbers = true, conflicts_with = "per_batch")]
    samples: Option<u64>,

    /// The number of the first sample
    #[arg(
        long, value_name = "S", value_parser = number, allow_negative_numbers = true, default_value = "0",
        requires = "samples"
    )]
    first_sample: u64,

    /// How the elements are stored: f32, f16 or bf16 [default: what W says]
    #[arg(long, value_parser = dtype)]
    dtype: Option<Dtype>,

    #[command(flatten)]
    processor: ProcessorArgs,

    /// The weights
    #[arg(value_name = "W.npy")]
    weights: PathBuf,

    /// The batch
    #[arg(value_name = "X.npy")]
    input: PathBuf,

    /// The file to create or replace
    #[arg(value_name = "Y.npy")]
    output: Option<PathBuf>,
}

impl Args {
    /// The mask, when the options make sense.
    pub fn check(&self) -> Result<Mask, Error> {
        let takes_output = self.backward.is_none() && (self.moments.is_none() || self.samples.is_some());
        match (takes_output, &self.output) {
            (true, None) => {
                return Err(Error::Options("where to? Give Y.npy after W.npy and X.npy, or --backward or --moments"));
            }
            (false, Some(_)) => {
                return Err(Error::Options(
                    "--moments without --samples writes mean and variance alone: leave Y.npy out, or give --samples",
                ));
            }
            _ => {}
        }
        self.mask.mask(Kind::Inverted, true)
    }

    fn all_paths(&self) -> impl Iterator<Item = &PathBuf> {
        let gradients = self.backward.iter().flat_map(|paths| &paths[1..]);
        gradients.chain(self.moments.iter().flatten()).chain(&self.output)
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    let mask = args.check()?;
    let written: Vec<_> = args.all_paths().collect();
    if written.iter().enumerate().any(|(i, path)| written[..i].contains(path)) {
        return Err(Error::Options("two results would go to one file: give each a path of its own"));
    }
    let weights = Input::open(&args.weights, args.dtype)?;
    let input = Input::open(&args.input, args.dtype)?;
    let [outputs, inputs] = matrix(&args.weights, &weights, "(outputs, inputs)")?;
    let [batch, width] = matrix(&args.input, &input, "(batch, inputs)")?;
    same_dtype(args, &args.input, &weights, &input)?;
    if width != inputs {
        let problem = format!("it has {width} inputs, and '{}' {inputs}", args.weights.display());
        return Err(Error::input(&args.input, format!("{problem}: give arrays with as many columns")));
    }
    let connect = DropConnect::new(mask, batch, outputs, inputs)?.with_mask_per_batch(args.per_batch);
    match weights.dtype {
        Dtype::F32 => compute::<f32>(args, connect, weights, input),
        Dtype::F16 => compute::<f16>(args, connect, weights, input),
        Dtype::Bf16 => compute::<bf16>(args, connect, weights, input),
        other => unreachable!("no array is read as {other}"),
    }
}

fn matrix(path: &Path, array: &Input, wanted: &str) -> Result<[u64; 2], Error> {
    array.shape().try_into().map_err(|_| {
        let shape = printable(&array.header().shape_text());
        Error::input(path, format!("its shape is {shape}: give an array of the shape {wanted}"))
    })
}

fn same_dtype(args: &Args, path: &Path, weights: &Input, other: &Input) -> Result<(), Error> {
    if other.dtype != weights.dtype {
        let problem =
            format!("its elements are {} and those of '{}' {}", other.dtype, args.weights.display(), weights.dtype);
        return Err(Error::input(path, format!("{problem}: give arrays of one dtype")));
    }
    Ok(())
}

fn compute<T: Element>(args: &Args, connect: DropConnect, weights: Input, input: Input) -> Result<(), Error> {
    let (batch, outputs, inputs) = (connect.batch(), connect.outputs(), connect.inputs());
    let descr = weights.header().descr.clone();
    let gradient = args.backward.as_ref().map(|paths| Input::open(&paths[0], args.dtype)).transpose()?;
    if let (Some(gradient), Some(paths)) = (&gradient, &args.backward) {
        same_dtype(args, &paths[0], &weights, gradient)?;
        if gradient.shape() != [batch, outputs] {
            let shape = printable(&gradient.header().shape_text());
            let problem = format!("its shape is {shape}: give the gradient of an output of ({batch}, {outputs})");
            return Err(Error::input(&paths[0], problem));
        }
    }
    let files = args.all_paths().map(|path| WholeFile::create(path)).collect::<Result<Vec<_>, _>>()?;
    let processor = args.processor.open()?;
    let (w, x): (Vec<T>, Vec<T>) = (weights.read_all()?, input.read_all()?);

    let results: Vec<(Vec<u64>, Vec<T>)> = match gradient {
        Some(gradient) => {
            let dy: Vec<T> = gradient.read_all()?;
            let (mut dx, mut dw) = (zeros(batch * inputs)?, zeros(outputs * inputs)?);
            processor.run_pass(connect.backward_input(&w, &dy, &mut dx))?;
            processor.run_pass(connect.backward_weights(&x, &dy, &mut dw))?;
            vec![(vec![batch, inputs], dx), (vec![outputs, inputs], dw)]
        }
        None if args.moments.is_none() && args.samples.is_none() => {
            let mut y = zeros(batch * outputs)?;
            processor.run_pass(connect.forward(&w, &x, &mut y))?;
            vec![(vec![batch, outputs], y)]
        }
        None => moments(args, &processor, connect, &w, &x)?,
    };
    let mut done = vec![];
    for (mut file, (shape, values)) in files.into_iter().zip(results) {
        file.write(&Vec::from(&Header::new(&descr, &shape)))?;
        file.write(bytemuck::cast_slice(&values))?;
        done.push(file);
    }
    done.into_iter().try_for_each(WholeFile::finish)
}

/// A shape and its elements.
type Array<T> = (Vec<u64>, Vec<T>);

/// Mean and variance where they are wanted, and then the samples.
fn moments<T: Element>(
    args: &Args,
    processor: &Processor,
    connect: DropConnect,
    w: &[T],
    x: &[T],
) -> Result<Vec<Array<T>>, Error> {
    let (batch, outputs) = (connect.batch(), connect.outputs());
    let (mut mean, mut variance) = (zeros(batch * outputs)?, zeros(batch * outputs)?);
    processor.run_pass(connect.moments(w, x, &mut mean, &mut variance))?;
    let mut samples = None;
    if let Some(count) = args.samples {
        let mut y = zeros((batch * outputs).saturating_mul(count))?;
        processor.run_pass(connect.samples(&mean, &variance, &mut y, args.first_sample, count))?;
        samples = Some((vec![count, batch, outputs], y));
    }
    let mut results = vec![];
    if args.moments.is_some() {
        results.extend([(vec![batch, outputs], mean), (vec![batch, outputs], variance)]);
    }
    results.extend(samples);
    Ok(results)
}

fn zeros<T: Element>(count: u64) -> Result<Vec<T>, Error> {
    let mut zeros = vec![];
    let reserved = usize::try_from(count).ok().and_then(|count| zeros.try_reserve_exact(count).ok());
    reserved.ok_or(wgpu_dropout::Error::OutOfMemory { what: "result on the host" })?;
    zeros.resize(count as usize, T::zeroed());
    Ok(zeros)
}
