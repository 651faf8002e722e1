//! `statistics`: mean and variance over samples in a file.

use std::path::PathBuf;

use half::{bf16, f16};
use wgpu_dropout::{Dtype, Element, Statistics};

use crate::{
    args::ProcessorArgs,
    error::Error,
    input::{Input, dtype},
    npy::Header,
    output::WholeFile,
    progress,
};

/// Mean and variance over samples, whose axis is the first
///
/// SAMPLES holds little-endian f32 ('<f4') or f16 ('<f2') in C order; bf16 travels as '<u2' with --dtype bf16. The results
/// are '<f4' and have its shape without the first axis. They appear whole or not at all. The variance is numpy.var's: the sum
/// of squared deviations over the number of samples.
#[derive(clap::Args)]
pub struct Args {
    /// The file to create or replace with the mean
    #[arg(long, value_name = "MEAN.npy")]
    mean: PathBuf,

    /// The file to create or replace with the variance
    #[arg(long, value_name = "VARIANCE.npy")]
    variance: PathBuf,

    /// How the samples are stored: f32, f16 or bf16 [default: what SAMPLES says]
    #[arg(long, value_parser = dtype)]
    dtype: Option<Dtype>,

    #[command(flatten)]
    processor: ProcessorArgs,

    /// The samples to read
    #[arg(value_name = "SAMPLES.npy")]
    samples: PathBuf,
}

impl Args {
    pub fn check(&self) -> Result<(), Error> {
        if self.mean == self.variance {
            return Err(Error::Options("--mean and --variance name one file: give two"));
        }
        Ok(())
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    args.check()?;
    let input = Input::open(&args.samples, args.dtype)?;
    match input.dtype {
        Dtype::F32 => statistics::<f32>(args, input),
        Dtype::F16 => statistics::<f16>(args, input),
        Dtype::Bf16 => statistics::<bf16>(args, input),
        other => unreachable!("no array is read as {other}"),
    }
}

fn statistics<T: Element>(args: &Args, mut input: Input) -> Result<(), Error> {
    let [count, shape @ ..] = input.shape() else {
        return Err(Error::input(&args.samples, "it has no axes: samples have their own, the first".to_owned()));
    };
    let (count, shape) = (*count, shape.to_owned());
    if count == 0 {
        let problem = "its first axis is 0, and there is no mean of no samples: give one at least".to_owned();
        return Err(Error::input(&args.samples, problem));
    }
    let elements = input.elements() / count;
    let (mut mean_file, mut variance_file) = (WholeFile::create(&args.mean)?, WholeFile::create(&args.variance)?);
    let processor = args.processor.open()?;
    let [mut mean, mut m2] = [accumulators(elements)?, accumulators(elements)?];
    let at_once = processor.samples_at_once(elements * T::DTYPE.size());
    let bar = progress::bar(count, at_once);
    let mut statistics = Statistics::new(elements);
    while statistics.count() < count {
        let new = at_once.min(count - statistics.count());
        let samples: Vec<T> = input.read(new * elements)?;
        processor.run_pass(statistics.update(&samples, &mut mean, &mut m2))?;
        statistics = statistics.with_count(statistics.count() + new);
        bar.set_position(statistics.count());
    }
    input.end()?;
    let mut variance = accumulators(elements)?;
    processor.run_pass(statistics.variance(&m2, &mut variance))?;
    bar.finish_and_clear();
    for (file, values) in [(&mut mean_file, &mean), (&mut variance_file, &variance)] {
        file.write(&Vec::from(&Header::new("<f4", &shape)))?;
        file.write(bytemuck::cast_slice(values))?;
    }
    mean_file.finish()?;
    variance_file.finish()
}

/// So many zeros, where there is room for them.
pub fn accumulators(elements: u64) -> Result<Vec<f32>, Error> {
    let no_room = || Error::from(wgpu_dropout::Error::OutOfMemory { what: "accumulators on the host" });
    let elements = usize::try_from(elements).map_err(|_| no_room())?;
    let mut zeros = vec![];
    zeros.try_reserve_exact(elements).map_err(|_| no_room())?;
    zeros.resize(elements, 0.0);
    Ok(zeros)
}
