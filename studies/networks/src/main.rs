//! Trains the networks of the studies with Burn, with this library's dropout in it, and prints what was measured.
//!
//! The studies run it, one at a time, and judge: the last line of its output is a JSON object of named lists of numbers; lines
//! before it say how far it is. `wgpu-dropout-networks STUDY SEED [quick] [fault]`.

use std::process::ExitCode;

mod batch_norm;
mod co_adaptation;
mod data;
mod drop_block;
mod drop_connect;
mod lab;
mod monte_carlo;
mod network;
mod regression;
mod weight_scaling;

pub use lab::{Error, Lab, Measured};

/// Trains the networks of a study.
type Train = fn(&Lab) -> Result<Measured, Error>;

const STUDIES: [(&str, Train); 7] = [
    ("weight-scaling", weight_scaling::measure),
    ("batch-norm", batch_norm::measure),
    ("co-adaptation", co_adaptation::measure),
    ("monte-carlo", monte_carlo::measure),
    ("regression", regression::measure),
    ("drop-connect", drop_connect::measure),
    ("drop-block", drop_block::measure),
];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let known = STUDIES.map(|(name, _)| name).join(", ");
    let [study, seed, words @ ..] = arguments else {
        return Err(format!(
            "give STUDY SEED, then words of [quick] [fault] or the regression's FOLDER and options; studies are {known}"
        )
        .into());
    };
    let (_, measure) = STUDIES
        .iter()
        .find(|(name, _)| name == study)
        .ok_or_else(|| format!("there is no {study}; there are {known}"))?;
    let seed = seed.parse().map_err(|error| format!("the seed {seed}: {error}; give a number below 2⁶⁴"))?;
    let measured = measure(&Lab::new(seed, words)?)?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}
