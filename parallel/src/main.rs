//! Training split over processes: each has a device of its own, a part of every batch and a part of a layer's units. Only
//! sums travel. The masks of dropout need no agreement, because the key, the step and the view name them.
//!
//! The first process also does everything alone and holds the others against it, at every step. `docs/parallel.md` explains.

mod checkpoint;
mod data;
mod error;
mod grid;
mod network;
mod parameters;
mod proof;
mod report;
mod wire;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};

use burn::tensor::{Device, DeviceKind};
use checkpoint::{Checkpoint, State};
use clap::Parser;
use data::Digits;
use error::Error;
use grid::{Grid, Shares, split};
use mpi::traits::Communicator;
use network::{Network, Part};
use parameters::Parameters;
use proof::{Seen, Trained};
use report::Report;
use wire::{Purpose, Wire};

/// Trains a network on the digits over a grid of MPI processes and proves that it is the single process's training.
#[derive(Clone, Debug, Parser)]
#[command(version, args_override_self = true)]
struct Arguments {
    /// Processes that the rows of a batch, and those that the units of the wide layer are split over: as many as mpirun starts.
    #[arg(long, default_value = "2x2")]
    grid: String,
    /// How large their parts are.
    #[arg(long, value_enum, default_value_t = Shares::Even)]
    shares: Shares,
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Pictures of a batch.
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..=1797))]
    batch: u32,
    /// Units of the layer that is split.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    wide: u32,
    /// Units of the layer after it.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    narrow: u32,
    /// Drop probability of both layers. Pixels are dropped with 0.4 of it.
    #[arg(long, default_value_t = 0.5)]
    p: f64,
    #[arg(long, default_value_t = 0.05)]
    learning_rate: f32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The digits.
    #[arg(long, default_value = "data/digits.csv")]
    data: PathBuf,
    /// A folder where every process keeps what it needs to go on, written at the end.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Goes on from the checkpoint.
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// Only trains: nothing is held against a single process.
    #[arg(long)]
    no_proof: bool,
    /// A file for what was found at each step, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A mistake, to see the proof fail: every process takes the masks of the first one's part.
    #[arg(long, hide = true)]
    plant_fault: bool,
}

fn main() -> ExitCode {
    let Some(universe) = mpi::initialize() else {
        eprintln!("error: {}", Error::Mpi);
        return ExitCode::FAILURE;
    };
    let world = universe.world();
    let is_first = world.rank() == 0;
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            if is_first {
                // Where there is nobody to print to, nothing can be done about it.
                let _ = error.print();
            }
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match train(&arguments, &universe) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            if !is_first {
                // What is wrong everywhere is said by the first process, whose end ends the others.
                std::thread::sleep(Duration::from_secs(2));
            }
            eprintln!("error: process {}: {error}", world.rank());
            // The others may be waiting for a sum that never comes.
            world.abort(1)
        }
    }
}

/// Whether everything held that was looked at.
fn train(arguments: &Arguments, universe: &mpi::environment::Universe) -> Result<bool, Error> {
    const MOMENTUM: f32 = 0.9;
    let world = universe.world();
    let grid: Grid = arguments.grid.parse()?;
    let started = usize::try_from(world.size()).expect("sizes are not negative");
    if started != grid.processes() {
        return Err(Error::Processes { grid: arguments.grid.clone(), needed: grid.processes(), started });
    }
    let [steps, batch, wide, narrow] =
        [arguments.steps, arguments.batch, arguments.wide, arguments.narrow].map(|number| number as usize);
    let network = Network { seed: arguments.seed, batch, wide, narrow, p: arguments.p };
    let rows = split(batch, grid.data, arguments.shares)?;
    let units = split(wide, grid.tensor, arguments.shares)?;
    let part = |rank| {
        let (row, column) = grid.place(rank);
        Part { rows: rows[row].clone(), units: units[column].clone() }
    };
    let parts: Vec<Part> = (0..grid.processes()).map(part).collect();
    let digits = Digits::read(&arguments.data)?;

    let mut wire = Wire::new(world, grid);
    let rank = wire.rank();
    let own_part = &parts[rank];
    let device = Device::wgpu(DeviceKind::DefaultDevice).autodiff();

    let whole = Parameters::random(network.seed, wide, narrow);
    let new = |parameters: Parameters| State { velocity: parameters.zeros_like(), parameters };
    let is_first = rank == 0;
    let run = format!(
        "grid {} {:?}, batch {batch}, {wide} and {narrow} units, p {}, rate {}, seed {}",
        arguments.grid, arguments.shares, arguments.p, arguments.learning_rate, arguments.seed
    );
    let checkpoint = if let (true, Some(folder)) = (arguments.resume, &arguments.checkpoint) {
        Checkpoint::read(folder, rank, &run)?
    } else {
        let single = is_first.then(|| new(whole.clone()));
        Checkpoint { run: run.clone(), steps: 0, own: new(whole.shard(own_part.units.clone())), single }
    };
    let trained = |state| Trained { state, rate: arguments.learning_rate, momentum: MOMENTUM };
    let (first_step, mut own) = (checkpoint.steps, trained(checkpoint.own));
    let mut single = checkpoint.single.map(trained);

    let mut report = Report::new(run.clone());
    for step in first_step..steps {
        let batch_rows = digits.batch(network.seed, step, batch);
        let own_rows = &batch_rows[own_part.rows.clone()];
        let masks = network.masks(step, if arguments.plant_fault { &parts[0] } else { own_part })?;
        let parameters = &own.state.parameters;
        let (loss, gradient) =
            network.gradients(&device, parameters, &digits, own_rows, &masks, |values| wire.sum_products(values))?;
        let mut loss = [loss];
        wire.sum_batch(&mut loss, Purpose::Losses);
        let mut values = gradient.flat();
        wire.sum_batch(&mut values, Purpose::Gradients);
        let gradient = gradient.with_values(&values);

        if !arguments.no_proof {
            let kept = network.kept(&device, &masks, own_part)?;
            let [loss] = loss;
            let seen = Seen { step, rows: &batch_rows, loss, parameters, gradient: &gradient, kept: &kept };
            let found = proof::show(&mut wire, &parts, &network, &device, &digits, single.as_mut(), &seen)?;
            report.findings.extend(found);
        }
        own.descend(&gradient);
        let done = step + 1;
        if is_first && (done % 20 == 0 || done == steps) {
            let again = if std::io::stderr().is_terminal() { "\r" } else { "\n" };
            eprint!("step {done} of {steps}, loss {:.6}{again}", loss[0]);
        }
    }
    if let Some(folder) = &arguments.checkpoint {
        let single = single.map(|single| single.state);
        Checkpoint { run, steps, own: own.state, single }.write(folder, rank)?;
    }

    report.traffic(&mut wire, &network, &parts, grid, steps.saturating_sub(first_step));
    if !is_first {
        return Ok(true);
    }
    print!("{report}");
    if let Some(path) = &arguments.json {
        checkpoint::write(path, &serde_json::to_string_pretty(&report).expect("numbers have a text"))?;
    }
    Ok(report.holds())
}
