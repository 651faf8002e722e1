//! `verify`: whether an adapter keeps the library's promises. Published known answers first, then the CPU reference.

mod child;
mod report;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use wgpu_dropout::wgpu;

use self::{
    child::Planted,
    report::{Ended, Report},
};
use crate::{adapter, error::Error, output::WholeFile};

/// Check an adapter against the published known answers and the CPU reference
///
/// Masks must be exact to the bit. Values too, except that a kept NaN gives some NaN and that a kept subnormal may
/// give a zero of its sign. Each adapter is checked by a process of its own, so that a driver that crashes or hangs fails
/// alone. Exit status 0 only when every check passed and at least one adapter ran.
#[derive(clap::Args)]
pub struct Args {
    /// The adapter, as `wgpu-dropout info` numbers them [default: the one that wgpu thinks best]
    #[arg(long, value_name = "N")]
    adapter: Option<usize>,

    /// Check every adapter
    #[arg(long, conflicts_with = "adapter")]
    all: bool,

    /// Run only the checks whose name, as in the table, contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// The time for an adapter, at most a week
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    timeout: u64,

    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Make a mistake in the shaders of the first adapter, or crash or hang there, to see it found
    #[arg(long, value_name = "KIND", hide = true)]
    plant_fault: Option<Planted>,

    /// Be the process that checks an adapter, which the parent knows by this
    #[arg(long, value_name = "DESCRIPTION", hide = true, requires = "adapter")]
    child: Option<String>,
}

pub fn run(args: &Args) -> Result<(), Error> {
    // Before the work, so that a file that cannot be written ends it here.
    let json = args.json.as_deref().map(WholeFile::create).transpose()?;
    let junit = args.junit.as_deref().map(WholeFile::create).transpose()?;
    let adapters = adapter::all()?;
    let chosen: Vec<usize> = match (args.adapter, args.all) {
        (Some(index), _) if index >= adapters.len() => return Err(adapter::no_such_adapter(index, &adapters)),
        (Some(index), _) => vec![index],
        (None, true) => (0..adapters.len()).collect(),
        (None, false) => vec![adapter::best(&adapters)?],
    };
    if let (Some(description), &[index]) = (&args.child, &chosen[..]) {
        return child::run(&adapters[index], description, args);
    }

    let mut reports = vec![];
    for index in chosen {
        let planted = args.plant_fault.filter(|_| reports.is_empty());
        reports.push(check(index, &adapters[index], planted, args));
    }
    print(&report::summary(&reports));

    if let Some(mut file) = json {
        file.write(report::json(&reports).as_bytes())?;
        file.finish()?;
    }
    if let Some(mut file) = junit {
        file.write(report::junit(&reports).as_bytes())?;
        file.finish()?;
    }
    report::verdict(&reports).map_err(Error::Verify)
}

/// Runs every check on one adapter, printing each line when it is known.
fn check(index: usize, adapter: &wgpu::Adapter, planted: Option<Planted>, args: &Args) -> Report {
    let info = adapter.get_info();
    print(&report::heading(index, &info));
    let mut results = vec![];
    let mut f16 = None;
    let ended = match adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        false => Ended::Skipped,
        true => {
            let opened = |conversion: String| {
                print(&format!("  f16 is converted by {conversion}\n"));
                f16 = Some(conversion);
            };
            child::watch(index, &info, planted, args, opened, |result| {
                print(&report::row(&result));
                results.push(result);
            })
        }
    };
    let report = Report { index, info, f16, ended, results };
    print(&report::ending(&report));
    report
}

/// A reader that goes away does not change the verdict.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
