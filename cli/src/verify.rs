//! `verify`: whether an adapter keeps the library's promises. Published known answers first, then the CPU reference.

mod cases;
mod checks;
mod report;
mod subject;
mod tally;
#[path = "../../tests/vectors/mod.rs"]
mod vectors;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Instant,
};

use wgpu_dropout::{Context, wgpu};

use self::{
    cases::Cases,
    report::{Ended, Report, Result as CheckResult},
    subject::{Fault, Subject},
};
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

    /// Flip one bit of what the device returns, to see the check fail
    #[arg(long, value_enum, value_name = "CHECK", hide = true)]
    plant_fault: Option<Fault>,
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
        (None, false) => vec![],
    };

    let cases = Cases::new()?;
    let mut reports = vec![];
    if chosen.is_empty() {
        let context = Context::new_blocking()?;
        let index = adapter::position(&adapters, &context.adapter_info());
        reports.push(check(index, context.adapter_info(), Ok(context), &cases, args.plant_fault));
    }
    for index in chosen {
        let adapter = &adapters[index];
        reports.push(
            match adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
                true => {
                    let context = pollster::block_on(Context::from_adapter(adapter));
                    check(Some(index), adapter.get_info(), context, &cases, args.plant_fault)
                }
                false => skip(index, adapter.get_info()),
            },
        );
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
fn check(
    index: Option<usize>,
    info: wgpu::AdapterInfo,
    context: Result<Context, wgpu_dropout::Error>,
    cases: &Cases,
    fault: Option<Fault>,
) -> Report {
    print(&report::heading(index, &info));
    let context = match context {
        Ok(context) => context,
        Err(error) => {
            print(&format!("  cannot be opened: {error}\n"));
            return Report { index, info, ended: Ended::NotOpened(error.to_string()), results: vec![] };
        }
    };
    let subject = Subject::new(context, fault);
    let mut results = vec![];
    for check in checks::ALL {
        let started = Instant::now();
        let mut tally = tally::Tally::default();
        let error = (check.run)(&subject, cases, &mut tally).err().map(|error| error.to_string());
        let result = CheckResult { check, tally, error, seconds: started.elapsed().as_secs_f64() };
        print(&report::row(&result));
        results.push(result);
    }
    Report { index, info, ended: Ended::Ran, results }
}

fn skip(index: usize, info: wgpu::AdapterInfo) -> Report {
    print(&report::heading(Some(index), &info));
    print("  skipped: it has no compute shaders\n");
    Report { index: Some(index), info, ended: Ended::Skipped, results: vec![] }
}

/// A reader that goes away does not change the verdict.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
