//! Runs the studies: `scripts/study.sh`.

use std::process::ExitCode;

use clap::Parser;
use wgpu_dropout_studies::runner::{self, Arguments};

fn main() -> ExitCode {
    match runner::run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
