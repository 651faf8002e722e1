//! The command line of wgpu-dropout: the library's promises for any language, through files, pipes and exit codes.

mod adapter;
mod apply;
mod args;
mod bench;
mod error;
mod info;
mod mask;
mod npy;
mod output;
mod processor;
mod progress;
mod verify;

use std::process::ExitCode;

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
    Verify(verify::Args),
    Bench(bench::Args),
}

// Files and devices are little-endian, and values go from one to the other unchanged.
#[cfg(target_endian = "big")]
compile_error!("wgpu-dropout runs on little-endian machines");

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Info(args) => info::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Mask(args) => mask::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Bench(args) => bench::run(&args),
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
