//! Results of any length, as bytes to a file or to standard output, while the next ones are being computed.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    sync::mpsc::sync_channel,
    thread,
};

use crate::{error::Error, output::WholeFile};

/// Calls `write(result, length)` for each chunk of `total` elements in order, while `compute(first, length)` makes the
/// next one.
pub fn for_each_chunk<T: Send>(
    chunk: u64,
    total: u128,
    compute: impl Fn(u64, u64) -> Result<T, wgpu_dropout::Error> + Send,
    mut write: impl FnMut(T, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let (sender, receiver) = sync_channel(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut done: u128 = 0;
            while done < total {
                let length = u128::from(chunk).min(total - done) as u64;
                let result = compute(done as u64, length);
                let failed = result.is_err();
                // Nobody receives any more when writing has failed.
                if sender.send((result, length)).is_err() || failed {
                    return;
                }
                done += u128::from(length);
            }
        });
        // By value, so that an early return closes the channel.
        for (result, length) in receiver {
            write(result?, length)?;
        }
        Ok(())
    })
}

/// Where the bytes go.
pub enum Sink {
    File(WholeFile),
    Stdout(io::StdoutLock<'static>),
}

impl Sink {
    pub fn open(path: Option<&Path>) -> Result<Self, Error> {
        match path {
            Some(path) => Ok(Self::File(WholeFile::create(path)?)),
            None if io::stdout().is_terminal() => Err(Error::Options(
                "the output is binary and standard output is a terminal: give --output FILE, or a pipe",
            )),
            None => Ok(Self::Stdout(io::stdout().lock())),
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write_all(bytes).map_err(Error::Stdout),
        }
    }

    pub fn finish(self) -> Result<(), Error> {
        match self {
            Self::File(file) => file.finish(),
            Self::Stdout(mut stdout) => stdout.flush().map_err(Error::Stdout),
        }
    }
}
