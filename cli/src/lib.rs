//! The command line of wgpu-dropout: the library's promises for any language, through files, pipes and exit codes.
//!
//! A library only so that tests and fuzzing reach its parsers: the interface is the program's.

mod adapter;
mod apply;
mod args;
mod audit;
mod bench;
mod block;
mod connect;
mod error;
mod fused;
mod info;
mod input;
mod kept_rows;
mod kernels;
mod mask;
mod noise;
pub mod npy;
mod output;
mod processor;
mod progress;
mod samples;
mod sharing;
mod softmax;
mod statistics;
mod stream;
mod uncertainty;
mod verify;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

/// Dropout on any GPU, with one mask everywhere: the same bits on every adapter, driver and the CPU.
#[derive(Parser)]
#[command(name = "wgpu-dropout", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Info(info::Args),
    Apply(apply::Args),
    Mask(mask::Args),
    Noise(noise::Args),
    Connect(connect::Args),
    KeptRows(kept_rows::Args),
    Statistics(statistics::Args),
    Uncertainty(uncertainty::Args),
    Audit(audit::Args),
    Softmax(softmax::Args),
    Verify(verify::Args),
    Bench(bench::Args),
    Kernels(kernels::Args),
}

// Files and devices are little-endian, and values go from one to the other unchanged.
#[cfg(target_endian = "big")]
compile_error!("wgpu-dropout runs on little-endian machines");

/// What the program does.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Info(args) => info::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Mask(args) => mask::run(&args),
        Command::Noise(args) => noise::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::KeptRows(args) => kept_rows::run(&args),
        Command::Statistics(args) => statistics::run(&args),
        Command::Uncertainty(args) => uncertainty::run(&args),
        Command::Audit(args) => return audit::main(&args),
        Command::Softmax(args) => softmax::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Kernels(args) => kernels::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough: `wgpu-dropout mask --count 0 … | head -c 1000`.
        Err(error) if error.is_reader_gone() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that is checked of arguments before a file or a device is touched, for fuzzing.
pub fn check(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    match Cli::try_parse_from(arguments).map_err(|error| error.to_string())?.command {
        Command::Apply(args) => args.check(),
        Command::Mask(args) => args.check(),
        Command::Softmax(args) => return args.check().map_err(|error| error.to_string()),
        Command::Noise(args) => return args.check().map_err(|error| error.to_string()),
        Command::KeptRows(args) => args.check(),
        Command::Statistics(args) => return args.check().map_err(|error| error.to_string()),
        Command::Uncertainty(args) => return args.check().map_err(|error| error.to_string()),
        Command::Audit(args) => args.check(),
        Command::Connect(args) => args.check(),
        Command::Info(_) | Command::Verify(_) | Command::Bench(_) | Command::Kernels(_) => return Ok(()),
    }
    .map(|_| ())
    .map_err(|error| error.to_string())
}
