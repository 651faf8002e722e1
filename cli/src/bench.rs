//! `bench`: throughput beside a copy on the same device, and the cost of a call.

use std::path::PathBuf;

use wgpu_dropout::{Options, kernels::Schedule};
use wgpu_dropout_bench::{Bench, Op, PassOp, Sizes, chart, measure, measure_calls, measure_passes, table};

use crate::{adapter, args::schedule, error::Error, output::WholeFile, progress};

/// Measure throughput beside a copy on the same device
///
/// Prints a table. Each operation is checked against the reference before it is timed; rounds are interleaved.
#[derive(clap::Args)]
pub struct Args {
    /// The adapter, as `wgpu-dropout info` numbers them [default: the one that wgpu thinks best]
    #[arg(long, value_name = "N")]
    adapter: Option<usize>,

    /// How often everything is timed, in turn
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(3..))]
    rounds: u16,

    /// The numbers of elements, as powers of two: 20,24 [default: 10,12,… as far as the device can bind]
    #[arg(long, value_name = "POWERS", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(10..=28))]
    sizes: Option<Vec<u8>>,

    /// Only the operations and passes with this in their names, and not the cost of a call; may be given several times
    #[arg(long, value_name = "NAME", value_parser = part_of_a_name)]
    only: Vec<String>,

    /// How the work is shared out: groups and interleaved are for GPUs, blocked is for devices that run on the CPU [default:
    /// what suits the adapter]
    #[arg(long, value_parser = schedule)]
    schedule: Option<Schedule>,

    /// Invocations of a workgroup, 1 to 256
    #[arg(long, default_value = "64", value_parser = clap::value_parser!(u32).range(1..=256))]
    workgroup_size: u32,

    /// The commit that is measured, for the JSON
    #[arg(long)]
    commit: Option<String>,

    /// The measurements for machines
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// A chart: throughput against size
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Error> {
    // Before minutes of work.
    let [json, svg] = [&args.json, &args.svg].map(|path| path.as_deref().map(WholeFile::create).transpose());
    let (json, svg) = (json?, svg?);
    let adapter = adapter::find(args.adapter)?;
    let mut options = Options::default().with_workgroup_size(args.workgroup_size);
    if let Some(schedule) = args.schedule {
        options = options.with_schedule(schedule);
    }
    let bench = Bench::new(&adapter, options)?;
    let mut sizes = Sizes::that_fit(&bench.context, args.rounds.into());
    if let Some(powers) = &args.sizes {
        let most = sizes.elements.iter().max().copied().unwrap_or_default();
        sizes.elements = powers.iter().map(|power| 1 << power).collect();
        if sizes.elements.iter().any(|&n| n > most) {
            return Err(Error::Options("a size of --sizes is more than the device can bind: give smaller powers"));
        }
    }
    sizes.only.clone_from(&args.only);
    let rounds = ((sizes.elements.len() + PassOp::wanted(&sizes).count()) * (sizes.rounds + 1)) as u64;
    let bar = progress::rounds(rounds);
    let mut report = measure(&bench, &sizes, |_, _| bar.inc(1))?;
    report.passes = measure_passes(&bench, &sizes, |_, _| bar.inc(1))?;
    bar.finish_and_clear();
    if args.only.is_empty() {
        report.calls = measure_calls(&adapter)?;
    }
    report.commit.clone_from(&args.commit);
    println!("{}", table(&report));
    if let Some(mut file) = json {
        file.write(format!("{:#}\n", serde_json::json!(report)).as_bytes())?;
        file.finish()?;
    }
    if let Some(mut file) = svg {
        file.write(chart(&report)?.as_bytes())?;
        file.finish()?;
    }
    Ok(())
}

fn part_of_a_name(text: &str) -> Result<String, String> {
    let names = || Op::names().chain(PassOp::ALL.map(PassOp::name));
    if names().any(|name| name.contains(text)) {
        return Ok(text.to_owned());
    }
    Err(format!("no operation has that in its name. There are: {}", names().collect::<Vec<_>>().join("; ")))
}
