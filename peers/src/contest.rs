//! The rounds: every contestant in turn, with the copy as the yardstick, all by wall time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use serde::Serialize;
use wgpu_dropout::{Dtype, wgpu};
use wgpu_dropout_bench::{Bench, Clock, Copy, Report, Row, Yardstick, YardstickKind, quartiles};

use crate::{
    Error, burn_peer,
    burn_peer::Passes,
    numr_peer,
    numr_peer::Function,
    ours::{Ours, rotations, wait},
    subject::{P, Part, Rate, Subject, check},
};

/// The JSON of `wgpu-dropout bench`, and what a comparison adds to it.
#[derive(Clone, Debug, Serialize)]
pub struct PeersReport {
    #[serde(flatten)]
    pub report: Report,
    /// How it was measured.
    pub rounds: usize,
    /// The mask rates, measured before anything was timed.
    pub rates: Vec<Rate>,
    /// How many times faster this library is.
    pub factors: Vec<Factor>,
    /// What could not be timed, and why.
    pub not_timed: Vec<NotTimed>,
    /// What was built.
    pub peers: Vec<&'static str>,
}

/// How many times the peer's median time is this library's.
#[derive(Clone, Debug, Serialize)]
pub struct Factor {
    pub op: String,
    pub n: u64,
    pub calls_a_sample: u64,
    pub factor: f64,
}

/// What could not be timed.
#[derive(Clone, Debug, Serialize)]
pub struct NotTimed {
    pub op: String,
    pub n: u64,
    pub why: String,
}

/// The devices of the contestants, all on one adapter.
pub struct Devices {
    pub bench: Bench,
    pub burn: burn::tensor::Device,
    pub numr: Result<numr::runtime::wgpu::WgpuClient, String>,
}

/// What to measure.
pub struct Plan {
    /// Elements; powers of two.
    pub elements: Vec<u64>,
    pub rounds: usize,
    /// Elements of a sample: as many calls are handed over before a wait.
    pub sample_elements: u64,
}

/// Rounds that are not counted: pipelines are built, autotuning ends, pools fill.
const WARM_UP: usize = 2;

const MOST_CALLS: u64 = 256;

/// Runs the comparison.
pub fn run(devices: &Devices, plan: &Plan) -> Result<PeersReport, Error> {
    let bench = &devices.bench;
    let mut results: Vec<Row> = vec![];
    let (mut rates, mut factors, mut not_timed) = (vec![], vec![], vec![]);
    let mut copy = None;
    let most = bench.context.device().limits().max_storage_buffer_binding_size;
    for &n in &plan.elements {
        if n * 4 > most {
            let why = format!("{} bytes are more than the {most} that the device binds at once", n * 4);
            eprintln!("n = {n}: skipped: {why}");
            not_timed.push(NotTimed { op: "everything".into(), n, why });
            continue;
        }
        let calls = (plan.sample_elements / n).clamp(1, MOST_CALLS);
        let mut contestants = vec![];
        for (op, made) in subjects(devices, n) {
            let checked = made.and_then(|mut subject| {
                let rate = guarded(&op, || check(subject.as_mut(), n))?;
                Ok((subject, rate))
            });
            match checked {
                Ok((subject, rate)) => {
                    eprintln!("n = {n}, {op}: {:.6} dropped, {:+.2} σ", rate.dropped, rate.sigmas);
                    rates.push(rate);
                    contestants.push(Contestant { subject, samples: vec![] });
                }
                Err(error) => {
                    eprintln!("n = {n}, {op}: not timed: {error}");
                    not_timed.push(NotTimed { op, n, why: error.to_string() });
                }
            }
        }
        let yardstick = CopyYardstick::fastest(bench, n, calls)?;
        let mut copies = vec![];
        for round in 0..plan.rounds + WARM_UP {
            eprint!("\rn = {n}, {calls} calls a sample: round {} of {}  ", round + 1, plan.rounds + WARM_UP);
            let copied = yardstick.sample(bench, calls)?;
            let count = contestants.len();
            for turn in 0..count {
                // Another order each round, so that nobody always follows the same neighbour.
                let contestant = &mut contestants[(turn + round) % count];
                let op = contestant.subject.op();
                let sample = guarded(&op, || sample(contestant.subject.as_mut(), calls))?;
                if round >= WARM_UP {
                    contestant.samples.push(sample);
                }
            }
            if round >= WARM_UP {
                copies.push(copied);
            }
        }
        eprintln!();
        let [_, copy_median, _] = quartiles(&copies);
        let row = |op: String, generator: &str, p, bytes: u64, samples: &[f64]| {
            let [first, median, third] = quartiles(samples);
            Row {
                op,
                generator: generator.to_owned(),
                dtype: "f32",
                n,
                p,
                median_ms: median,
                quartiles_ms: [first, third],
                samples_ms: samples.to_vec(),
                gb_per_s: bytes as f64 / median * 1e-6,
                ratio_to_copy: median / copy_median,
            }
        };
        let copy_row = row("copy".into(), "", None, n * 8, &copies);
        copy =
            Some(Copy { best: yardstick.kernel.name.clone(), n, median_ms: copy_median, gb_per_s: copy_row.gb_per_s });
        results.push(copy_row);
        let timed: Vec<(Part, Row)> = contestants
            .iter()
            .map(|contestant| {
                let (subject, part) = (&contestant.subject, contestant.subject.part());
                (part, row(subject.op(), subject.generator(), Some(P), part.bytes(n), &contestant.samples))
            })
            .collect();
        // The first of each part is this library.
        for (part, row) in &timed {
            let ours = timed.iter().find(|(other, _)| other == part).map_or(f64::NAN, |(_, ours)| ours.median_ms);
            if row.median_ms != ours {
                factors.push(Factor { op: row.op.clone(), n, calls_a_sample: calls, factor: row.median_ms / ours });
            }
        }
        results.extend(timed.into_iter().map(|(_, row)| row));
    }
    let copy = copy.ok_or(Error::NothingTimed { n: plan.elements.last().copied().unwrap_or(0) })?;
    let report = bench.report(Clock::Wall, copy, results);
    Ok(PeersReport { report, rounds: plan.rounds, rates, factors, not_timed, peers: PEERS.to_vec() })
}

/// Versions and features.
const PEERS: [&str; 2] = [
    if cfg!(feature = "burn-fusion") {
        "burn 0.22.1, features std, wgpu, autodiff, fusion, autotune"
    } else {
        "burn 0.22.1, features std, wgpu, autodiff"
    },
    "numr 0.14.0, features wgpu",
];

struct Contestant {
    subject: Box<dyn Subject>,
    samples: Vec<f64>,
}

type Made = (String, Result<Box<dyn Subject>, Error>);

/// Every contestant, this library first.
fn subjects(devices: &Devices, n: u64) -> Vec<Made> {
    let mut made: Vec<Made> = vec![];
    for part in [Part::Forward, Part::ForwardBackward] {
        let mut add = |library: &str, make: &dyn Fn() -> Result<Box<dyn Subject>, Error>| {
            let op = format!("{library} {}", part.name());
            let subject = guarded(&op, make);
            made.push((op, subject));
        };
        add("wgpu-dropout", &|| Ok(Box::new(Ours::new(&devices.bench.context, part, n)?)));
        let burn = |passes| -> Result<Box<dyn Subject>, Error> {
            Ok(Box::new(burn_peer::Burn::new(&devices.burn, part, passes, n)))
        };
        add("burn 0.22.1", &|| burn(Passes::Apart));
        if part == Part::ForwardBackward && cfg!(feature = "burn-fusion") {
            add("burn 0.22.1, passes fused,", &|| burn(Passes::Fused));
        }
        let numr = |function| -> Result<Box<dyn Subject>, Error> {
            let client = devices.numr.as_ref().map_err(|why| Error::peer("numr 0.14.0", why))?;
            Ok(Box::new(numr_peer::Numr::new(client, function, part, n)?))
        };
        if part == Part::Forward {
            add("numr 0.14.0 dropout", &|| numr(Function::Dropout));
        }
        add("numr 0.14.0 var_dropout", &|| numr(Function::VarDropout));
    }
    made
}

/// Milliseconds a call: `calls` are handed over, then waited for.
fn sample(subject: &mut dyn Subject, calls: u64) -> Result<f64, Error> {
    subject.sync()?;
    let begin = Instant::now();
    for _ in 0..calls {
        subject.call()?;
    }
    subject.sync()?;
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3 / calls as f64;
    subject.release();
    Ok(milliseconds)
}

/// A panic of a peer is a result of the comparison, not its end.
fn guarded<T>(op: &str, f: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let what = format!("{op} panicked: {}", text.unwrap_or("without a message"));
        Err(Error::peer("a library", what))
    })
}

/// The fastest of the plain copy kernels at one size.
struct CopyYardstick {
    kernel: Yardstick,
    binds: Vec<wgpu::BindGroup>,
    n: u64,
}

impl CopyYardstick {
    /// Tries the family.
    fn fastest(bench: &Bench, n: u64, calls: u64) -> Result<Self, Error> {
        let device = bench.context.device();
        let sets: Vec<_> = bench.buffers(Dtype::F32, n).into_iter().take(rotations(n) as usize).collect();
        let mut best: Option<(f64, Self)> = None;
        for kernel in Yardstick::family(device, YardstickKind::Copy) {
            if !kernel.fits(n) {
                continue;
            }
            let binds = sets.iter().map(|[input, output]| kernel.bind(device, input, output)).collect();
            let candidate = Self { kernel, binds, n };
            let mut samples = vec![];
            for _ in 0..4 {
                samples.push(candidate.sample(bench, calls)?);
            }
            let time = quartiles(&samples[1..])[1];
            if best.as_ref().is_none_or(|(least, _)| time < *least) {
                best = Some((time, candidate));
            }
        }
        best.map(|(_, yardstick)| yardstick).ok_or(Error::NothingTimed { n })
    }

    /// Milliseconds a copy, all of them in one pass.
    fn sample(&self, bench: &Bench, calls: u64) -> Result<f64, Error> {
        let device = bench.context.device();
        wait(device)?;
        let begin = Instant::now();
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for call in 0..calls as usize {
                self.kernel.record(&mut pass, &self.binds[call % self.binds.len()], self.n);
            }
        }
        bench.context.queue().submit([encoder.finish()]);
        wait(device)?;
        Ok(begin.elapsed().as_secs_f64() * 1e3 / calls as f64)
    }
}
