//! Dropout of other libraries beside wgpu-dropout, in one run on one adapter. See README.md.

mod burn_peer;
mod contest;
mod error;
mod numr_peer;
mod ours;
mod subject;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use wgpu_dropout::wgpu;
use wgpu_dropout_bench::{Bench, table};

use contest::{Devices, PeersReport, Plan};
pub use error::Error;

/// Compares Burn's, numr's and this library's dropout on one adapter.
#[derive(Parser)]
struct Arguments {
    /// Number of the adapter, as wgpu lists them; else the first GPU, else the first software device.
    #[arg(long)]
    adapter: Option<usize>,
    /// Sizes: powers of two.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 20, 24, 26], value_parser = clap::value_parser!(u32).range(10..=30))]
    powers: Vec<u32>,
    /// Rounds that count.
    #[arg(long, default_value_t = 11, value_parser = at_least_11)]
    rounds: usize,
    /// Elements of a sample, a power of two: calls are handed over until so many are reached, then waited for. More
    /// hides the waiting better, and needs up to 24 bytes an element on the device. Default: 26 for software, 28 for
    /// GPUs.
    #[arg(long, value_parser = clap::value_parser!(u32).range(10..=34))]
    sample_power: Option<u32>,
    /// Writes the measurements as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn at_least_11(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rounds) if rounds >= 11 => Ok(rounds),
        _ => Err("not a number of at least 11: fewer rounds give no quartiles worth reading".into()),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    // As numr does it, so that numbers of adapters mean the same.
    let instance = wgpu::Instance::default();
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let index = choose(&adapters, arguments.adapter)?;
    let adapter = &adapters[index];
    let wanted = adapter.get_info();
    let same_kind = |other: &wgpu::Adapter| {
        let info = other.get_info();
        (info.backend, info.device_type) == (wanted.backend, wanted.device_type)
    };
    let index_of_kind = adapters[..index].iter().filter(|other| same_kind(other)).count();
    eprintln!("adapter {index}: {} ({:?}, {} {})", wanted.name, wanted.backend, wanted.driver, wanted.driver_info);

    let devices = Devices {
        bench: Bench::new(adapter, wgpu_dropout::Options::default())?,
        burn: burn_peer::open(&wanted, index_of_kind)?,
        numr: numr_peer::open(&wanted, index).map_err(|error| error.to_string()),
    };
    let software = wanted.device_type == wgpu::DeviceType::Cpu;
    let plan = Plan {
        elements: arguments.powers.iter().map(|power| 1 << power).collect(),
        rounds: arguments.rounds,
        sample_elements: 1 << arguments.sample_power.unwrap_or(if software { 26 } else { 28 }),
    };
    let report = contest::run(&devices, &plan)?;
    print(&report);
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).expect("plain data") + "\n";
        let failed = |source| Error::Write { path: path.display().to_string(), source };
        std::fs::write(path, text).map_err(failed)?;
    }
    Ok(())
}

/// The adapter of the given number, or the best.
fn choose(adapters: &[wgpu::Adapter], wanted: Option<usize>) -> Result<usize, Error> {
    let rank = |adapter: &wgpu::Adapter| {
        let info = adapter.get_info();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu => 1,
            wgpu::DeviceType::Other => 2,
            wgpu::DeviceType::Cpu => 3,
        };
        (kind, info.backend == wgpu::Backend::Gl)
    };
    let found = || {
        let names: Vec<_> = (0..)
            .zip(adapters)
            .map(|(i, adapter): (usize, _)| {
                format!("{i} = {} ({:?})", adapter.get_info().name, adapter.get_info().backend)
            })
            .collect();
        if names.is_empty() { "none was found; install a graphics driver".into() } else { names.join(", ") }
    };
    match wanted {
        Some(index) if index < adapters.len() => Ok(index),
        Some(index) => Err(Error::Adapter { wanted: index.to_string(), found: found() }),
        None => (0..adapters.len())
            .min_by_key(|&index| rank(&adapters[index]))
            .ok_or_else(|| Error::Adapter { wanted: "at all".into(), found: found() }),
    }
}

fn print(report: &PeersReport) {
    println!("{}", report.peers.join("; "));
    println!("{}", table(&report.report));
    println!("| n | peer | dropped | σ off 0.1 |\n|---|---|---|---|");
    for rate in &report.rates {
        println!("| 2^{} | {} | {:.6} | {:+.2} |", rate.n.ilog2(), rate.op, rate.dropped, rate.sigmas);
    }
    println!("\n| n | peer | wgpu-dropout is faster by |\n|---|---|---|");
    for factor in &report.factors {
        println!("| 2^{} | {} | {:.2} × |", factor.n.ilog2(), factor.op, factor.factor);
    }
    for not_timed in &report.not_timed {
        println!("\nnot timed: {} at 2^{}: {}", not_timed.op, not_timed.n.ilog2(), not_timed.why);
    }
}
