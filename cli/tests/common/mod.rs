//! Runs the program as a user does, and makes .npy files without its help.
#![allow(dead_code, reason = "each test program uses the part that it needs")]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;
use wgpu_dropout::{Dropout, Generator, Key, Mask};

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgpu-dropout"));
    // Mesa complains on stderr without it, and some tests want stderr empty.
    command.env("XDG_RUNTIME_DIR", env!("CARGO_TARGET_TMPDIR"));
    command
}

pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    command().args(arguments).output().unwrap()
}

/// Standard output of a run that must succeed and say nothing on stderr.
pub fn succeeds<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Vec<u8> {
    let output = run(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    output.stdout
}

/// The message of a run that must fail: exit status 1, nothing on stdout, one `error: …` on stderr.
pub fn fails<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = run(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(output.stdout, b"", "{message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

/// The message of a run with options that cannot be: exit status 2, as of every program that uses clap.
pub fn misused<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = run(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    message
}

/// A directory with the arrays of a test.
pub struct Files {
    directory: TempDir,
}

impl Files {
    pub fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn names(&self) -> BTreeSet<String> {
        names(self.directory.path())
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A terminal's two ends: the controller, which must live as long, and what a program writes to.
#[cfg(target_os = "linux")]
pub fn terminal() -> (std::os::fd::OwnedFd, fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, vec![]).unwrap().into_string().unwrap();
    (controller, fs::OpenOptions::new().write(true).open(name).unwrap())
}

/// An .npy file, version 1.0, with this text as its header.
pub fn npy_with_header(text: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

/// As numpy.save writes it; `shape` is Python's text of it.
pub fn npy(descr: &str, fortran_order: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran_order { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    npy_with_header(&text, data)
}

pub fn f32_npy(shape: &str, values: &[f32]) -> Vec<u8> {
    npy("<f4", false, shape, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
}

/// The values of an f32 array, after a look at its header.
pub fn values(npy: &[u8], shape: &str) -> Vec<f32> {
    assert_eq!(&npy[..8], b"\x93NUMPY\x01\x00");
    let data = 10 + u16::from_le_bytes([npy[8], npy[9]]) as usize;
    assert_eq!(data % 64, 0);
    let text = std::str::from_utf8(&npy[10..data]).unwrap();
    assert_eq!(text.trim_end(), format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"));
    assert!(text.ends_with('\n'));
    npy[data..].chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Normal numbers, zeros and infinities: what every adapter treats alike, to the bit.
pub fn numbers(length: usize) -> Vec<f32> {
    (0..length as u32)
        .map(|i| match i % 11 {
            0 => 0.0,
            1 => -0.0,
            2 => f32::INFINITY,
            3 => f32::NEG_INFINITY,
            _ => f32::from_bits(i.wrapping_mul(0x9e37_79b1) & 0xbfff_ffff | 0x2000_0000),
        })
        .collect()
}

pub fn mask(p: f64, seed: u64, stream: u64, start: u64, generator: Generator) -> Mask {
    Dropout::new(p).unwrap().with_generator(generator).mask(Key::new(seed).with_stream(stream)).at(start)
}
