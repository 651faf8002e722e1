//! `apply`: dropout of an array in a file.

use std::{fs::File, path::PathBuf};

use half::{bf16, f16};
use wgpu_dropout::{Dtype, Element, Mask};

use crate::{
    args::{MaskArgs, ProcessorArgs},
    error::Error,
    npy::{Header, printable, read_full},
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

fn dtype(name: &str) -> Result<Dtype, String> {
    let found = Dtype::ALL.iter().copied().find(|dtype| dtype.name() == name);
    found.ok_or_else(|| "it must be f32, f16 or bf16".to_owned())
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

/// An array that is read in chunks.
struct Input {
    file: File,
    path: PathBuf,
    header: Header,
    dtype: Dtype,
    elements: u64,
    /// Bytes of data read so far.
    read: u64,
}

impl Input {
    /// Checks whatever can be known before the data is read.
    fn open(path: &PathBuf, wanted: Option<Dtype>) -> Result<Self, Error> {
        let problem = |problem: String| Error::input(path, problem);
        let mut file = File::open(path)
            .map_err(|error| problem(format!("it cannot be opened: {error}: check the path and its permissions")))?;
        let (header, header_bytes) = Header::read(&mut file).map_err(problem)?;
        let dtype = match (header.descr.as_str(), wanted) {
            ("<f4", None | Some(Dtype::F32)) => Dtype::F32,
            ("<f2", None | Some(Dtype::F16)) => Dtype::F16,
            ("<u2", Some(Dtype::Bf16)) => Dtype::Bf16,
            (descr, wanted) => return Err(problem(dtype_problem(descr, wanted))),
        };
        if header.fortran_order {
            let remedy = "save numpy.ascontiguousarray(a) instead of a";
            return Err(problem(format!("it is in Fortran order, and only C order is supported: {remedy}")));
        }
        let bytes = header.elements().and_then(|elements| elements.checked_mul(dtype.size())).ok_or_else(|| {
            problem(format!("its shape {} has more than 2^64 bytes of data", printable(&header.shape_text())))
        })?;
        let input = Self { file, path: path.clone(), header, dtype, elements: bytes / dtype.size(), read: 0 };
        // A pipe has no length; there the end of the data tells.
        if let Some(metadata) = input.file.metadata().ok().filter(std::fs::Metadata::is_file) {
            let found = metadata.len().saturating_sub(header_bytes);
            if found != bytes {
                return Err(input.length_problem(&found.to_string()));
            }
        }
        Ok(input)
    }

    fn read<T: Element>(&mut self, elements: u64) -> Result<Vec<T>, Error> {
        let mut values = vec![T::zeroed(); elements as usize];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values);
        let wanted = bytes.len();
        let read = read_full(&mut self.file, bytes).map_err(|error| self.read_problem(&error))?;
        self.read += read as u64;
        if read < wanted {
            return Err(self.length_problem(&self.read.to_string()));
        }
        Ok(values)
    }

    /// Checks that nothing follows the data.
    fn end(mut self) -> Result<(), Error> {
        match read_full(&mut self.file, &mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.length_problem(&format!("more than {}", self.read))),
            Err(error) => Err(self.read_problem(&error)),
        }
    }

    fn read_problem(&self, error: &std::io::Error) -> Error {
        Error::input(&self.path, format!("it cannot be read: {error}"))
    }

    fn length_problem(&self, found: &str) -> Error {
        let expected = self.elements * self.dtype.size();
        let shape = printable(&self.header.shape_text());
        let problem = format!(
            "its shape {shape} needs {expected} bytes of data, and there are {found}: the file is damaged; save it again"
        );
        Error::input(&self.path, problem)
    }
}

fn dtype_problem(descr: &str, wanted: Option<Dtype>) -> String {
    let found = quoted(descr);
    match (descr, wanted) {
        ("<u2", None) => {
            format!("its dtype is {found}: if these are the bits of bf16 numbers, say so with --dtype bf16")
        }
        ("<f4" | "<f2" | "<u2", Some(dtype)) => {
            let numpy = match dtype {
                Dtype::F32 => "'<f4'",
                Dtype::F16 => "'<f2'",
                Dtype::Bf16 => "'<u2', the bits of bf16 numbers",
                _ => "another",
            };
            format!("its dtype is {found}, and --dtype {dtype} needs {numpy}: give another --dtype, or none")
        }
        _ => {
            let what = match descr.as_bytes() {
                b">f4" | b">f2" => " (big-endian)",
                [b'[', ..] => " (structured: choose one field first)",
                _ => "",
            };
            let remedy = "save a.astype('<f4') instead of a";
            format!("its dtype is {found}{what}, and only '<f4', '<f2' and, as bf16, '<u2' are supported: {remedy}")
        }
    }
}

fn quoted(descr: &str) -> String {
    if descr.starts_with('[') { printable(descr) } else { format!("'{}'", printable(descr)) }
}
