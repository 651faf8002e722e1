//! Arrays in .npy files, read in chunks.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use wgpu_dropout::{Dtype, Element};

use crate::{
    error::Error,
    npy::{Header, printable, read_full},
};

/// A type of elements by its name.
pub fn dtype(name: &str) -> Result<Dtype, String> {
    let found = Dtype::ALL.iter().copied().find(|dtype| dtype.name() == name);
    found.ok_or_else(|| "it must be f32, f16 or bf16".to_owned())
}

/// An array of numbers that is read in chunks.
pub struct Input {
    array: Array,
    pub dtype: Dtype,
}

impl Input {
    /// Checks whatever can be known before the data is read.
    pub fn open(path: &Path, wanted: Option<Dtype>) -> Result<Self, Error> {
        let mut dtype = Dtype::F32;
        let array = Array::open(path, |descr| {
            dtype = match (descr, wanted) {
                ("<f4", None | Some(Dtype::F32)) => Dtype::F32,
                ("<f2", None | Some(Dtype::F16)) => Dtype::F16,
                ("<u2", Some(Dtype::Bf16)) => Dtype::Bf16,
                (descr, wanted) => return Err(dtype_problem(descr, wanted)),
            };
            Ok(dtype.size())
        })?;
        Ok(Self { array, dtype })
    }

    pub fn header(&self) -> &Header {
        &self.array.header
    }

    pub fn shape(&self) -> &[u64] {
        &self.array.header.shape
    }

    pub fn elements(&self) -> u64 {
        self.array.elements
    }

    /// The next elements.
    pub fn read<T: Element>(&mut self, elements: u64) -> Result<Vec<T>, Error> {
        self.array.read(elements)
    }

    /// All that is left, and nothing may follow it.
    pub fn read_all<T: Element>(self) -> Result<Vec<T>, Error> {
        self.array.read_all()
    }

    /// Checks that nothing follows the data.
    pub fn end(self) -> Result<(), Error> {
        self.array.end()
    }
}

/// The ids of rows: all of an array of '<u4' with one axis.
pub fn read_row_ids(path: &Path) -> Result<Vec<u32>, Error> {
    let array = Array::open(path, |descr| match descr {
        "<u4" => Ok(4),
        other => {
            Err(format!("its dtype is {}, and row ids are '<u4': save a.astype('<u4') instead of a", quoted(other)))
        }
    })?;
    if array.header.shape.len() != 1 {
        let shape = printable(&array.header.shape_text());
        return Err(Error::input(
            path,
            format!("its shape is {shape}, and row ids have one axis: save a.ravel() instead"),
        ));
    }
    array.read_all()
}

/// An .npy file.
struct Array {
    file: File,
    path: PathBuf,
    header: Header,
    /// Bytes of an element.
    size: u64,
    elements: u64,
    /// Bytes of data read so far.
    read: u64,
}

impl Array {
    /// `size` gives the bytes of an element, or what is wrong with its type.
    fn open(path: &Path, size: impl FnOnce(&str) -> Result<u64, String>) -> Result<Self, Error> {
        let problem = |problem: String| Error::input(path, problem);
        let mut file = File::open(path)
            .map_err(|error| problem(format!("it cannot be opened: {error}: check the path and its permissions")))?;
        let (header, header_bytes) = Header::read(&mut file).map_err(problem)?;
        let size = size(&header.descr).map_err(problem)?;
        if header.fortran_order {
            let remedy = "save numpy.ascontiguousarray(a) instead of a";
            return Err(problem(format!("it is in Fortran order, and only C order is supported: {remedy}")));
        }
        let bytes = header.elements().and_then(|elements| elements.checked_mul(size)).ok_or_else(|| {
            problem(format!("its shape {} has more than 2^64 bytes of data", printable(&header.shape_text())))
        })?;
        let array = Self { file, path: path.to_owned(), header, size, elements: bytes / size, read: 0 };
        // A pipe has no length; there the end of the data tells.
        if let Some(metadata) = array.file.metadata().ok().filter(std::fs::Metadata::is_file) {
            let found = metadata.len().saturating_sub(header_bytes);
            if found != bytes {
                return Err(array.length_problem(&found.to_string()));
            }
        }
        Ok(array)
    }

    fn read<T: bytemuck::Pod>(&mut self, elements: u64) -> Result<Vec<T>, Error> {
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

    fn read_all<T: bytemuck::Pod>(mut self) -> Result<Vec<T>, Error> {
        /// A pipe need not have as much as its header says.
        const CHUNK: u64 = 1 << 22;
        let mut values = vec![];
        let mut left = self.elements;
        while left > 0 {
            let mut chunk = self.read(left.min(CHUNK))?;
            let room = values.try_reserve(chunk.len());
            room.map_err(|_| wgpu_dropout::Error::OutOfMemory { what: "array on the host" })?;
            values.append(&mut chunk);
            left -= left.min(CHUNK);
        }
        self.end()?;
        Ok(values)
    }

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
        let expected = self.elements * self.size;
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
