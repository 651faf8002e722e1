//! Counts the instructions of the kernels that matter, for AMD GPUs that need not be there: Mesa's driver RADV compiles
//! for any family that it knows, and tells what came out. `scripts/isa.sh` finds the driver and runs this.
//!
//! The figure is vector instructions an element, on the path that nearly every subgroup takes: see `straight_line.rs`.
//! `benches/isa-budgets.json` says how many they may be; the exit status is 1 where a kernel takes more.
//!
//! RADV reads the family's name once, and ends the process where it does not know it. So each family has a process of
//! its own: this program again, with other arguments.

mod budgets;
mod family;
mod measure;
mod model;
mod passes;
mod radv;
mod report;
mod spirv;
mod straight_line;
mod subjects;

use std::process::ExitCode;

use budgets::Budgets;
use family::Family;

/// With a text for people in it.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: scripts/isa.sh [--if-present] [--json FILE] [--family NAME]...
  --json FILE    writes the figures there too
  --family NAME  for this family of GPUs alone, as RADV calls it; may be given several times
  --if-present   where there is no driver, says so and is content";

/// What [`family`] runs this program with, for one family.
const ONE_FAMILY: &str = "--one-family";

#[derive(Default)]
struct Arguments {
    json: Option<String>,
    families: Vec<&'static Family>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [ONE_FAMILY, name] => one_family(name),
        ["-h" | "--help"] => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => parse(&arguments).and_then(|arguments| every_family(&arguments)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("isa: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[&str]) -> Result<Arguments> {
    let mut parsed = Arguments::default();
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        let mut value = || rest.next().copied().ok_or(format!("'{argument}' needs a value\n{USAGE}"));
        match argument {
            "--json" => parsed.json = Some(value()?.to_owned()),
            "--family" => {
                let family = Family::find(value()?)?;
                if parsed.families.iter().all(|other| other.names != family.names) {
                    parsed.families.push(family);
                }
            }
            _ => return Err(format!("unknown argument '{argument}'\n{USAGE}").into()),
        }
    }
    Ok(parsed)
}

/// In a process of its own: measures and writes the report where [`family::measure`] reads it.
fn one_family(name: &str) -> Result<bool> {
    let report = measure::family(Family::find(name)?, name)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(true)
}

/// Whether all is within its budget.
fn every_family(arguments: &Arguments) -> Result<bool> {
    let budgets = Budgets::read()?;
    let wanted = if arguments.families.is_empty() { Family::ALL.iter().collect() } else { arguments.families.clone() };
    let mut report = report::Report::new();
    for family in wanted {
        eprintln!("isa: {} ({})", family.names[0], family.generation);
        match family::measure(family)? {
            Some(figures) => report.families.push(figures),
            None => report.unknown_families.push(family.names[0].to_owned()),
        }
    }
    report.print(&budgets);
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&report.to_json())? + "\n";
        std::fs::write(file, text).map_err(|error| format!("'{file}' cannot be written: {error}"))?;
    }
    // Of those that are counted unasked, RADV need not know each.
    if report.families.is_empty() || !arguments.families.is_empty() && !report.unknown_families.is_empty() {
        return Err(format!("this RADV does not know {}", report.unknown_families.join(", ")).into());
    }

    let Some(figures) = report.family(&budgets.family) else {
        // Whoever asks for other families alone does not ask for the budgets.
        return match report.unknown_families.contains(&budgets.family) {
            true => Err(format!("the budgets are for {}, which this RADV does not know", budgets.family).into()),
            false => {
                println!("\nThe budgets are for {}: not checked.", budgets.family);
                Ok(true)
            }
        };
    };
    let problems = budgets.problems(&figures.kernels);
    for problem in &problems {
        eprintln!("isa: {problem}");
    }
    if problems.is_empty() {
        println!("\nAll {} budgets of {} are kept.", budgets.budgets.len(), budgets.family);
    } else if figures.mesa_version != budgets.made_with {
        eprintln!("isa: this is {}, and the budgets were made with {}", figures.mesa_version, budgets.made_with);
    }
    Ok(problems.is_empty())
}
