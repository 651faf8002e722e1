//! Runs studies, says on the way how far it is, and prints what they found.

use std::{fs, io::IsTerminal, path::PathBuf, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};
use wgpu_dropout::Context;

use crate::{
    Error, Lab, Study,
    data::Data,
    digits,
    lab::LabOptions,
    report::{Entry, Report, interval},
    studies,
};

/// Every claim of the dropout literature as a program: runs the studies, prints their verdicts, and writes a page.
///
/// The exit status is 1 where a verdict fails, and 2 where a study cannot be run.
#[derive(clap::Parser)]
#[command(name = "study", version)]
pub struct Arguments {
    /// A study, by its name; may be given several times [default: all of them]
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    /// Fewer samples: wider intervals, the same verdicts
    #[arg(long)]
    quick: bool,

    /// The seed of all masks and noise; the same seed prints the same digits
    #[arg(long, default_value_t = 2014)]
    seed: u64,

    /// A regression in the place of diabetes: a folder with data.txt, index_features.txt and index_target.txt
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// Where index.html and study.json go
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/study"))]
    output: PathBuf,

    /// Makes every study do something wrong, which its page names: all verdicts must fail
    #[arg(long, hide = true)]
    plant_fault: bool,
}

/// Runs what the arguments say, and returns whether every verdict holds.
pub fn run(arguments: &Arguments) -> Result<bool, Error> {
    let chosen = choose(&arguments.only)?;
    // Before minutes of work whose result would have no place.
    fs::create_dir_all(&arguments.output).map_err(|error| format!("{}: {error}", arguments.output.display()))?;
    let data = Data::read(arguments.data.as_deref())?;
    let context = Context::new_blocking()?;
    let adapter = context.adapter_info();
    let adapter = format!("{} ({}, {} {})", adapter.name, adapter.backend, adapter.driver, adapter.driver_info);
    println!("adapter  {adapter}\nseed     {}", arguments.seed);
    let options = LabOptions { seed: arguments.seed, quick: arguments.quick, fault: arguments.plant_fault };
    let mut entries = vec![];
    for (number, study) in (1..).zip(&chosen) {
        let place = format!("{number} of {}", chosen.len());
        let entry = run_one(study, &context, &data, options, &place)?;
        print(&entry);
        entries.push(entry);
    }
    let report = Report {
        adapter,
        seed: arguments.seed,
        quick: arguments.quick,
        fault_planted: arguments.plant_fault,
        studies: entries,
    };
    report.write(&arguments.output)?;
    let failing: Vec<&str> = report.studies.iter().filter(|entry| !entry.holds).map(|entry| entry.name).collect();
    match failing.len() {
        0 => println!("\nall of {} hold", report.studies.len()),
        count => println!("\n{count} of {} FAIL: {}", report.studies.len(), failing.join(", ")),
    }
    println!("page     {}", arguments.output.join("index.html").display());
    Ok(report.holds())
}

fn choose(names: &[String]) -> Result<Vec<Study>, Error> {
    let known = || studies::ALL.iter().map(|study| study.name).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = names.iter().find(|name| studies::ALL.iter().all(|study| study.name != **name)) {
        return Err(format!("--only {unknown}: there is no such study; there are {}", known()).into());
    }
    let is_chosen = |study: &&Study| names.is_empty() || names.iter().any(|name| name == study.name);
    Ok(studies::ALL.iter().filter(is_chosen).copied().collect())
}

/// Runs one study; `place` says which of how many, for people who wait.
pub fn run_one(
    study: &Study,
    context: &Context,
    data: &Data,
    options: LabOptions,
    place: &str,
) -> Result<Entry, Error> {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}%, {elapsed}");
    let bar = ProgressBar::new(1000).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(format!("{place}: {}", study.name));
    let is_terminal = std::io::stderr().is_terminal();
    if !is_terminal && !place.is_empty() {
        eprintln!("{place}: {}", study.name);
    }
    let start = Instant::now();
    let mut show = |part: f64| bar.set_position((part * 1000.0) as u64);
    let findings = (study.run)(&Lab::new(context, data, options, study.name, &mut show));
    bar.finish_and_clear();
    let findings = findings.map_err(|error| format!("{}: {error}", study.name))?;
    let Study { name, title, claim, .. } = *study;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Entry { name, title, claim, holds: findings.hold(), findings, seconds, study: *study })
}

/// What a study found, without its seconds: the same digits on every run.
fn print(entry: &Entry) {
    let word = |holds| if holds { "holds" } else { "FAILS" };
    println!("\n{}  {}: {}", word(entry.holds), entry.name, entry.findings.verdict);
    for check in &entry.findings.checks {
        let theory = check.theory.map_or(String::new(), |theory| format!(", theory {}", digits(theory, 4)));
        let interval = match interval(check) {
            interval if interval.is_empty() => interval,
            interval => format!(", {interval}"),
        };
        println!("  {}  {}: {}{theory}{interval}", word(check.holds), check.what, digits(check.measured, 4));
    }
}
