//! `verify`: whether an adapter keeps the library's promises. Published known answers first, then the CPU reference.

mod report;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Instant,
};

use wgpu_dropout::wgpu;
use wgpu_dropout_conformance::{Subject, Suite};

use self::report::{Ended, Report, Result as CheckResult};
use crate::{adapter, error::Error, output::WholeFile};

/// Check an adapter against the published known answers and the CPU reference
///
/// Masks must be exact to the bit. Values too, except that a kept NaN gives some NaN and that a kept subnormal may
/// give a zero of its sign. Exit status 0 only when every check passed and at least one adapter ran.
#[derive(clap::Args)]
pub struct Args {
    /// The adapter, as `wgpu-dropout info` numbers them [default: the one that wgpu thinks best]
    #[arg(long, value_name = "N")]
    adapter: Option<usize>,

    /// Check every adapter
    #[arg(long, conflicts_with = "adapter")]
    all: bool,

    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
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

    let suite = Suite::new()?;
    let mut reports = vec![];
    for index in chosen {
        reports.push(check(index, &adapters[index], &suite));
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
fn check(index: usize, adapter: &wgpu::Adapter, suite: &Suite) -> Report {
    let info = adapter.get_info();
    print(&report::heading(index, &info));
    if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        print("  skipped: it has no compute shaders\n");
        return Report { index, info, ended: Ended::Skipped, results: vec![] };
    }
    let subject = match pollster::block_on(Subject::open(adapter)) {
        Ok(subject) => subject,
        Err(error) => {
            print(&format!("  cannot be opened: {error}\n"));
            return Report { index, info, ended: Ended::NotOpened(error.to_string()), results: vec![] };
        }
    };
    let mut results = vec![];
    for check in suite.checks() {
        let started = Instant::now();
        let outcome = pollster::block_on(suite.run(check, &subject));
        let result = CheckResult { check, outcome, seconds: started.elapsed().as_secs_f64() };
        print(&report::row(&result));
        results.push(result);
    }
    Report { index, info, ended: Ended::Ran, results }
}

/// A reader that goes away does not change the verdict.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
