//! `apply`: dropout of an array in a file.

use std::{fs::File, path::PathBuf};

use crate::{
    args::{MaskArgs, ProcessorArgs},
    error::Error,
    npy::{Header, printable, read_full},
    output::WholeFile,
    progress,
};

/// Apply dropout to an .npy array
///
/// IN holds little-endian f32 ('<f4') in C order, of any shape. OUT gets the same shape and appears whole or not at
/// all; it may be the same file as IN.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mask: MaskArgs,

    /// Take IN as the gradient of the output and compute that of the input
    #[arg(long)]
    backward: bool,

    #[command(flatten)]
    processor: ProcessorArgs,

    /// The array to read
    #[arg(value_name = "IN.npy")]
    input: PathBuf,

    /// The file to create or replace
    #[arg(value_name = "OUT.npy")]
    output: PathBuf,
}

/// Bytes of an element.
const ELEMENT: u64 = 4;

pub fn run(args: &Args) -> Result<(), Error> {
    let mask = args.mask.mask()?;
    let mut input = Input::open(&args.input)?;
    mask.check_length(input.elements)?;
    let mut output = WholeFile::create(&args.output)?;
    let processor = args.processor.open()?;

    output.write(&Vec::from(&input.header))?;
    let piece = processor.piece_of_values();
    let bar = progress::bar(input.elements, piece);
    let mut done = 0;
    while done < input.elements {
        let x = input.read(piece.min(input.elements - done))?;
        let mask = mask.at(mask.start() + done);
        let y = if args.backward { processor.backward(&mask, &x) } else { processor.forward(&mask, &x) }?;
        output.write(bytemuck::cast_slice(&y))?;
        done += x.len() as u64;
        bar.set_position(done);
    }
    input.end()?;
    bar.finish_and_clear();
    output.finish()
}

/// An array that is read in pieces.
struct Input {
    file: File,
    path: PathBuf,
    header: Header,
    elements: u64,
    /// Bytes of data read so far.
    read: u64,
}

impl Input {
    /// Checks whatever can be known before the data is read.
    fn open(path: &PathBuf) -> Result<Self, Error> {
        let problem = |problem: String| Error::input(path, problem);
        let mut file = File::open(path)
            .map_err(|error| problem(format!("it cannot be opened: {error}: check the path and its permissions")))?;
        let (header, header_bytes) = Header::read(&mut file).map_err(problem)?;
        if header.descr != "<f4" {
            return Err(problem(dtype_problem(&header.descr)));
        }
        if header.fortran_order {
            let remedy = "save numpy.ascontiguousarray(a) instead of a";
            return Err(problem(format!("it is in Fortran order, and only C order is supported: {remedy}")));
        }
        let bytes = header.elements().and_then(|elements| elements.checked_mul(ELEMENT)).ok_or_else(|| {
            problem(format!("its shape {} has more than 2^64 bytes of data", printable(&header.shape_text())))
        })?;
        let input = Self { file, path: path.clone(), header, elements: bytes / ELEMENT, read: 0 };
        // A pipe has no length; there the end of the data tells.
        if let Some(metadata) = input.file.metadata().ok().filter(std::fs::Metadata::is_file) {
            let found = metadata.len().saturating_sub(header_bytes);
            if found != bytes {
                return Err(input.length_problem(&found.to_string()));
            }
        }
        Ok(input)
    }

    fn read(&mut self, elements: u64) -> Result<Vec<f32>, Error> {
        let mut values = vec![0.0; elements as usize];
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
        let expected = self.elements * ELEMENT;
        let shape = printable(&self.header.shape_text());
        let problem = format!(
            "its shape {shape} needs {expected} bytes of data, and there are {found}: the file is damaged; save it again"
        );
        Error::input(&self.path, problem)
    }
}

fn dtype_problem(descr: &str) -> String {
    let what = match descr.as_bytes() {
        b">f4" => " (big-endian)",
        [b'[', ..] => " (structured: choose one field first)",
        _ => "",
    };
    format!("its dtype is {}{what}, and only '<f4' is supported: save a.astype('<f4') instead of a", quoted(descr))
}

fn quoted(descr: &str) -> String {
    if descr.starts_with('[') { printable(descr) } else { format!("'{}'", printable(descr)) }
}
