//! `uncertainty`: mean probabilities and entropies of samples of class logits in a file.

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use wgpu_dropout::{Dtype, Element, Uncertainty};

use crate::{
    args::ProcessorArgs,
    error::Error,
    input::{Input, dtype},
    npy::Header,
    output::WholeFile,
    progress,
    statistics::accumulators,
};

/// How uncertain a classifier is, from samples of its logits
///
/// LOGITS has three axes: samples, rows, classes. It holds little-endian f32 ('<f4') or f16 ('<f2') in C order; bf16 travels
/// as '<u2' with --dtype bf16. The results are '<f4', entropies in nats. They appear whole or not at all.
#[derive(clap::Args)]
#[group(id = "results", required = true, multiple = true, args = ["probability", "entropy", "expected_entropy", "mutual_information"])]
pub struct Args {
    /// The file to create or replace with the mean probabilities: rows × classes
    #[arg(long, value_name = "P.npy")]
    probability: Option<PathBuf>,

    /// With the entropies of these, the predictive entropy: one for each row
    #[arg(long, value_name = "H.npy")]
    entropy: Option<PathBuf>,

    /// With the means of the samples' entropies: one for each row
    #[arg(long, value_name = "E.npy")]
    expected_entropy: Option<PathBuf>,

    /// With the mutual informations, what the former is more than the latter: one for each row
    #[arg(long, value_name = "I.npy")]
    mutual_information: Option<PathBuf>,

    /// How the logits are stored: f32, f16 or bf16 [default: what LOGITS says]
    #[arg(long, value_parser = dtype)]
    dtype: Option<Dtype>,

    #[command(flatten)]
    processor: ProcessorArgs,

    /// The samples of logits to read
    #[arg(value_name = "LOGITS.npy")]
    logits: PathBuf,
}

impl Args {
    fn files(&self) -> [Option<&Path>; 4] {
        [&self.probability, &self.entropy, &self.expected_entropy, &self.mutual_information].map(Option::as_deref)
    }

    pub fn check(&self) -> Result<(), Error> {
        let files: Vec<_> = self.files().into_iter().flatten().collect();
        if (1..files.len()).any(|i| files[..i].contains(&files[i])) {
            return Err(Error::Options("two results name one file: give each a file of its own"));
        }
        Ok(())
    }
}

pub fn run(args: &Args) -> Result<(), Error> {
    args.check()?;
    let input = Input::open(&args.logits, args.dtype)?;
    match input.dtype {
        Dtype::F32 => uncertainty::<f32>(args, input),
        Dtype::F16 => uncertainty::<f16>(args, input),
        Dtype::Bf16 => uncertainty::<bf16>(args, input),
        other => unreachable!("no array is read as {other}"),
    }
}

fn uncertainty<T: Element>(args: &Args, mut input: Input) -> Result<(), Error> {
    let &[count, rows, classes] = input.shape() else {
        let problem =
            format!("its shape is {}, and logits have three axes: samples, rows, classes", input.header().shape_text());
        return Err(Error::input(&args.logits, problem));
    };
    if count == 0 {
        let problem = "its first axis is 0, and there is no mean of no samples: give one at least".to_owned();
        return Err(Error::input(&args.logits, problem));
    }
    let mut uncertainty = Uncertainty::new(rows, classes)?;
    let elements = rows * classes;
    let files = args.files().map(|path| path.map(WholeFile::create).transpose());
    let [probability_file, entropy_file, expected_file, information_file] = files;
    let files = [probability_file?, entropy_file?, expected_file?, information_file?];
    let processor = args.processor.open()?;
    let [mut probability, mut entropy] = [accumulators(elements)?, accumulators(rows)?];
    let at_once = processor.samples_at_once(elements * T::DTYPE.size());
    let bar = progress::bar(count, at_once);
    while uncertainty.count() < count {
        let new = at_once.min(count - uncertainty.count());
        let logits: Vec<T> = input.read(new * elements)?;
        processor.run_pass(uncertainty.update(&logits, &mut probability, &mut entropy))?;
        uncertainty = uncertainty.with_count(uncertainty.count() + new);
        bar.set_position(uncertainty.count());
    }
    input.end()?;
    let [mut predictive, mut expected, mut information] =
        [accumulators(rows)?, accumulators(rows)?, accumulators(rows)?];
    processor.run_pass(uncertainty.finish(&probability, &entropy, &mut predictive, &mut expected, &mut information))?;
    bar.finish_and_clear();
    let mut finished = vec![];
    for (number, (file, values)) in
        files.into_iter().zip([&probability, &predictive, &expected, &information]).enumerate()
    {
        let Some(mut file) = file else { continue };
        let shape = if number == 0 { &[rows, classes][..] } else { &[rows] };
        file.write(&Vec::from(&Header::new("<f4", shape)))?;
        file.write(bytemuck::cast_slice(values))?;
        finished.push(file);
    }
    finished.into_iter().try_for_each(WholeFile::finish)
}
