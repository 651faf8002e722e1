//! What Monte Carlo costs: samples a second, and memory that does not grow with them.

use std::time::Instant;

use wgpu_dropout::{BufferRange, Dropout, Mask, Samples, Statistics};

use crate::{
    Axis, Check, Error, Figure, Findings, Lab, Mark, Plot, Side, Stroke, Study, Table, Tone, digits, number::grouped,
};

pub const STUDY: Study = Study {
    name: "scale",
    title: "A thousand samples in the memory of a few",
    claim: "Monte Carlo dropout needs T forward passes, and a mean and a variance over them. Recorded together and with streaming \
            statistics they take the memory of a few samples whatever T is, and are faster than T calls.",
    source: "Gal, Ghahramani, ICML 2016, for the method; Chan, Golub, LeVeque, 1979, for the statistics",
    formula: r"\bar{y}_{t+1} = \bar{y}_t + \frac{y_{t+1} - \bar{y}_t}{t + 1}, \qquad
               M_{t+1} = M_t + (y_{t+1} - \bar{y}_t)(y_{t+1} - \bar{y}_{t+1}), \qquad \operatorname{Var} = \frac{M_T}{T}",
    measurement: "Mean and variance of T samples of dropout of 16,384 elements: by T calls that each upload, run and read back, with the \
                  sums on the host; and by recordings of 16 samples and their statistics, of which only the result is read. wgpu \
                  counts the bytes of the device’s buffers; where its back end does not, they are the sizes of those that are made \
                  here. Times alternate in one run, and the shortest of each counts.",
    fault: "all samples kept on the device until the end",
    run,
};

const ELEMENTS: usize = 1 << 14;
/// Samples that are on the device at a time.
const AT_A_TIME: usize = 16;
const P: f64 = 0.5;

/// Mean and variance, and what they took: bytes of buffers while the device works, where it is told.
struct Run {
    mean: Vec<f32>,
    variance: Vec<f32>,
    seconds: f64,
    bytes: Option<f64>,
}

fn run(lab: &Lab<'_>) -> Result<Findings, Error> {
    let counts: Vec<usize> = if lab.quick { vec![1, 4, 16, 64, 256] } else { vec![1, 4, 16, 64, 256, 1024] };
    let rounds = lab.size(7, 5);
    let x: Vec<f32> = lab.normals(lab.key(0), ELEMENTS)?.iter().map(|&x| x as f32).collect();
    let mask = Dropout::new(P)?.mask(lab.key(1));
    // Pipelines are built at the first call.
    calls(lab, mask, &x, 2)?;
    recorded(lab, mask, &x, 2, AT_A_TIME)?;

    let mut table = Table::new(
        "Times, on this machine at that moment",
        &[
            "T",
            "T calls, samples/s",
            "recorded, samples/s",
            "× as many",
            "bytes on the device, recorded",
            "all samples kept",
        ],
    );
    let mut found = vec![];
    let mut apart = 0.0_f64;
    for (number, &count) in counts.iter().enumerate() {
        let mut times = [vec![], vec![]];
        let mut last = None;
        for _ in 0..rounds {
            let by_calls = calls(lab, mask, &x, count)?;
            let streamed = recorded(lab, mask, &x, count, if lab.fault { count.max(AT_A_TIME) } else { AT_A_TIME })?;
            times[0].push(by_calls.seconds);
            times[1].push(streamed.seconds);
            last = Some((by_calls, streamed));
        }
        let (by_calls, streamed) = last.ok_or("no round was run")?;
        for (one, other) in [(&by_calls.mean, &streamed.mean), (&by_calls.variance, &streamed.variance)] {
            let off = one.iter().zip(other).map(|(one, other)| (one - other).abs() / (1.0 + one.abs()));
            apart = apart.max(off.fold(0.0_f32, f32::max).into());
        }
        let rates = times.map(|times| count as f64 / times.into_iter().fold(f64::INFINITY, f64::min));
        let of_run = |run: &Run| run.bytes.ok_or("a recorded run has its bytes");
        let (bytes, kept) = (of_run(&streamed)?, of_run(&recorded(lab, mask, &x, count, count)?)?);
        table.row([
            count.to_string(),
            digits(rates[0], 3),
            digits(rates[1], 3),
            digits(rates[1] / rates[0], 2),
            grouped(bytes as usize),
            grouped(kept as usize),
        ]);
        found.push(Found { count: count as f64, rates, bytes, kept });
        lab.progress(number + 1, counts.len());
    }
    let (first, last) = (&found[0], &found[found.len() - 1]);
    let most = last.count as usize;
    let samples = recorded_samples(lab, mask, &x)?;
    let checks = vec![
        Check::exactly(
            "elements of recorded samples that differ from those of single calls, of 16 samples",
            samples,
            0,
        ),
        Check::at_most(
            "mean and variance by both ways: the largest relative distance",
            apart,
            1e-5,
            "f32 accumulators",
        ),
        Check::near(
            format!("bytes of buffers on the device at T = {most}, beyond those at T = 1"),
            last.bytes - first.bytes,
            0.0,
            f64::from(1 << 17),
            "at most another chunk of parameters",
        ),
        Check::at_least(
            format!("bytes if all {most} samples were kept, beyond those at T = 1"),
            last.kept - first.kept,
            (most - 1) as f64 * 4.0 * ELEMENTS as f64,
            "the counter counts",
        ),
        Check::at_least(
            format!("recorded at T = {most}: samples a second ÷ those of T calls"),
            last.rates[1] / last.rates[0],
            1.0,
            "a time: it differs from run to run",
        ),
    ];
    let verdict = format!(
        "At T = {most} the recorded samples take {} MiB on the device, where keeping all would take {} MiB, and run {} times as \
         fast as {most} calls.",
        digits(last.bytes / f64::from(1 << 20), 2),
        digits(last.kept / f64::from(1 << 20), 3),
        digits(last.rates[1] / last.rates[0], 2),
    );
    let figures = vec![speed(&found)?, memory(&found)?];
    Ok(Findings { verdict, checks, tables: vec![table], figures, remarks: vec![REMARK.into()] })
}

const REMARK: &str = "These times are of one machine while it did other things too: what holds elsewhere is that memory stays as it \
                      is. The samples themselves are the same bits by both ways, because a sample is named by its key.";

/// What a number of samples took.
struct Found {
    count: f64,
    /// Samples a second: by calls, recorded.
    rates: [f64; 2],
    bytes: f64,
    kept: f64,
}

/// Bytes of the device's buffers, as wgpu counts them. Not every back end does, and these buffers are there: then theirs.
fn bytes(lab: &Lab<'_>, buffers: &[wgpu::Buffer]) -> Result<f64, Error> {
    lab.context.device().poll(wgpu::PollType::wait_indefinitely())?;
    let counted = lab.context.device().get_internal_counters().hal.buffer_memory.read();
    let sizes: u64 = buffers.iter().map(wgpu::Buffer::size).sum();
    Ok(if counted == 0 { sizes as f64 } else { counted as f64 })
}

fn of_sample(mask: Mask, sample: usize) -> Mask {
    mask.with_key(mask.key().with_sample(sample as u16))
}

fn calls(lab: &Lab<'_>, mask: Mask, x: &[f32], count: usize) -> Result<Run, Error> {
    let start = Instant::now();
    let (mut mean, mut m2) = (vec![0.0_f32; x.len()], vec![0.0_f32; x.len()]);
    for sample in 0..count {
        let y = lab.context.forward_blocking(&of_sample(mask, sample), x)?;
        let part = 1.0 / (sample + 1) as f32;
        for ((mean, m2), y) in mean.iter_mut().zip(&mut m2).zip(y) {
            let off = y - *mean;
            *mean += off * part;
            *m2 += off * (y - *mean);
        }
    }
    m2.iter_mut().for_each(|m2| *m2 /= count as f32);
    Ok(Run { mean, variance: m2, seconds: start.elapsed().as_secs_f64(), bytes: None })
}

fn recorded(lab: &Lab<'_>, mask: Mask, x: &[f32], count: usize, at_a_time: usize) -> Result<Run, Error> {
    let start = Instant::now();
    let size = size_of_val(x) as u64;
    let buffers = [size, size * at_a_time as u64, size, size].map(|size| lab.buffer(size));
    let [input, samples, mean, m2] = &buffers;
    lab.context.queue().write_buffer(input, 0, bytemuck::cast_slice(x));
    let mut statistics = Statistics::new(x.len() as u64);
    let mut encoder = lab.context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for first in (0..count).step_by(at_a_time) {
        let now = at_a_time.min(count - first);
        let part = BufferRange::new(samples, 0, size * now as u64);
        lab.context.record_pass(&mut encoder, Samples::new(mask, first as u64, now as u64)?.forward(input, part))?;
        lab.context.record_pass(&mut encoder, statistics.update(part, mean, m2))?;
        statistics = statistics.with_count((first + now) as u64);
    }
    lab.context.record_pass(&mut encoder, statistics.variance(m2, m2))?;
    lab.context.queue().submit([encoder.finish()]);
    let bytes = bytes(lab, &buffers)?;
    let (mean, variance) = (lab.read(mean)?, lab.read(m2)?);
    Ok(Run { mean, variance, seconds: start.elapsed().as_secs_f64(), bytes: Some(bytes) })
}

/// How many elements of 16 recorded samples are not those of single calls.
fn recorded_samples(lab: &Lab<'_>, mask: Mask, x: &[f32]) -> Result<usize, Error> {
    let mut wrong = 0;
    let mut all = vec![0.0_f32; AT_A_TIME * x.len()];
    lab.context.run_pass_blocking(Samples::new(mask, 0, AT_A_TIME as u64)?.forward(x, &mut all[..]))?;
    for (sample, recorded) in all.chunks(x.len()).enumerate() {
        let called = lab.context.forward_blocking(&of_sample(mask, sample), x)?;
        wrong +=
            recorded.iter().zip(called).filter(|(recorded, called)| recorded.to_bits() != called.to_bits()).count();
    }
    Ok(wrong)
}

fn samples_axis(found: &[Found]) -> Axis {
    let last = found[found.len() - 1].count;
    Axis::log("samples T", 0.7, last * 1.6).with_ticks(found.iter().map(|found| (found.count, found.count.to_string())))
}

fn speed(found: &[Found]) -> Result<Figure, Error> {
    let rates = || found.iter().flat_map(|found| found.rates);
    let (low, high) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
    let mut plot = Plot::new(samples_axis(found), Axis::log("samples a second", low / 2.0, high * 2.0));
    for (which, tone, mark, name, side) in [
        (0, Tone::Second, Mark::Triangle, "T calls", Side::Below),
        (1, Tone::First, Mark::Dot, "recorded", Side::Above),
    ] {
        let points: Vec<_> = found.iter().map(|found| (found.count, found.rates[which])).collect();
        plot.line(points.clone(), tone, if which == 0 { Stroke::Dashed } else { Stroke::Solid });
        // Beyond the line on both sides of the label.
        let near = points.iter().rev().take(3).map(|(_, rate)| *rate);
        let y = if which == 0 { near.fold(f64::INFINITY, f64::min) } else { near.fold(0.0, f64::max) };
        plot.label(points[points.len() - 2].0, y, name, tone, side);
        plot.points(points, tone, mark);
    }
    plot.figure("Mean and variance of T samples of 16,384 elements, on this machine.")
}

fn memory(found: &[Found]) -> Result<Figure, Error> {
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let high = found.iter().map(|found| mib(found.kept)).fold(0.0, f64::max);
    let low = found.iter().map(|found| mib(found.kept.min(found.bytes))).fold(f64::INFINITY, f64::min);
    let mut plot = Plot::new(samples_axis(found), Axis::log("MiB of buffers on the device", low / 2.0, high * 2.0));
    let streamed: Vec<_> = found.iter().map(|found| (found.count, mib(found.bytes))).collect();
    let kept: Vec<_> = found.iter().map(|found| (found.count, mib(found.kept))).collect();
    plot.line(kept.clone(), Tone::Second, Stroke::Dashed);
    plot.line(streamed.clone(), Tone::First, Stroke::Solid);
    plot.label(kept[kept.len() - 2].0, kept[kept.len() - 2].1, "all samples kept", Tone::Second, Side::Left);
    plot.label(streamed[streamed.len() - 2].0, streamed[1].1, "streaming statistics", Tone::First, Side::Below);
    plot.points(kept, Tone::Second, Mark::Triangle);
    plot.points(streamed, Tone::First, Mark::Dot);
    plot.figure("Memory: constant in T, because samples take each other’s place.")
}
