//! `audit`: whether an array is the dropout of another.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use half::{bf16, f16};
use wgpu_dropout::{Audit, Dtype, Element, Kind, Mask, Operation};

use crate::{
    args::{MaskArgs, ProcessorArgs},
    error::Error,
    input::{Input, dtype},
    npy::printable,
    sharing::SharingArgs,
};

/// Check whether an .npy array is the dropout of another
///
/// Exit status 0 when Y is the dropout of X, and 1 when it is not: then standard output has the first element that differs,
/// and which neighbouring step, layer, sample, start or other setting would explain all of Y. Exit status 2 when it could not
/// be found out: for options, files and devices that do not do. An element is right as `verify` says. Both arrays are held
/// in memory.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mask: MaskArgs,

    #[command(flatten)]
    sharing: SharingArgs,

    /// What happens to the elements: inverted, standard, alpha or gaussian
    #[arg(long, default_value_t)]
    kind: Kind,

    /// Evaluation instead of training
    #[arg(long, conflicts_with = "backward")]
    evaluate: bool,

    /// Take X as the gradient of the output and Y as that of the input
    #[arg(long)]
    backward: bool,

    /// How the elements are stored: f32, f16 or bf16 [default: what X says]
    #[arg(long, value_parser = dtype)]
    dtype: Option<Dtype>,

    #[command(flatten)]
    processor: ProcessorArgs,

    /// What went in
    #[arg(value_name = "X.npy")]
    x: PathBuf,

    /// What came out
    #[arg(value_name = "Y.npy")]
    y: PathBuf,
}

impl Args {
    /// The mask, when the options make sense.
    pub fn check(&self) -> Result<Mask, Error> {
        self.mask.mask(self.kind, !self.evaluate)
    }
}

/// Its exit status is an answer.
pub fn main(args: &Args) -> ExitCode {
    let found = run(args).and_then(|audit| {
        let right = audit.is_right();
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{audit}").and_then(|()| stdout.flush()).map_err(Error::Stdout)?;
        Ok(right)
    });
    match found {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<Audit, Error> {
    let mask = args.check()?;
    let x = Input::open(&args.x, args.dtype)?;
    let y = Input::open(&args.y, args.dtype)?;
    if x.dtype != y.dtype {
        let problem = format!("its elements are {} and those of '{}' {}", y.dtype, args.x.display(), x.dtype);
        return Err(Error::input(&args.y, format!("{problem}: give arrays of one dtype")));
    }
    if x.shape() != y.shape() {
        let [of_x, of_y] = [&x, &y].map(|input| printable(&input.header().shape_text()));
        let problem = format!("its shape is {of_y} and that of '{}' {of_x}", args.x.display());
        return Err(Error::input(&args.y, format!("{problem}: give arrays of one shape")));
    }
    let (mask, row_ids) = args.sharing.mask(mask, x.shape())?;
    if row_ids.is_some() {
        return Err(Error::Options("audit takes no --row-ids: give the rows the order of their ids, and --strides"));
    }
    mask.check_length(x.elements())?;
    match x.dtype {
        Dtype::F32 => audit::<f32>(args, mask, x, y),
        Dtype::F16 => audit::<f16>(args, mask, x, y),
        Dtype::Bf16 => audit::<bf16>(args, mask, x, y),
        other => unreachable!("no array is read as {other}"),
    }
}

fn audit<T: Element>(args: &Args, mask: Mask, x: Input, y: Input) -> Result<Audit, Error> {
    let processor = args.processor.open()?;
    let (x, y): (Vec<T>, Vec<T>) = (x.read_all()?, y.read_all()?);
    let operation = if args.backward { Operation::Backward(mask) } else { Operation::Forward(mask) };
    Ok(processor.audit(operation, &x, &y)?)
}
