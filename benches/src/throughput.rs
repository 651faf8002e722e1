//! Throughput of every operation against size, beside the fastest of the yardsticks.

use serde::Serialize;
use wgpu_dropout::{
    Bound, BoundMask, Context, Dropout, Generator, Key, Mask, MaskFormat, Record, reference, requirements,
    wgpu::{self, util::DeviceExt},
};

use crate::{CallCost, Clock, Error, Timer, Yardstick, YardstickKind};

/// An operation that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Out of place.
    Forward,
    /// Out of place, from a start that is no multiple of the block.
    ForwardUnaligned,
    /// The same pass as forward, named apart because people look for it.
    Backward,
    /// In place.
    InPlace,
    /// Packed keep mask.
    Mask,
}

impl Op {
    /// Every operation.
    pub const ALL: [Self; 5] = [Self::Forward, Self::ForwardUnaligned, Self::Backward, Self::InPlace, Self::Mask];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::ForwardUnaligned => "forward, start 5",
            Self::Backward => "backward",
            Self::InPlace => "in place",
            Self::Mask => "mask",
        }
    }

    /// Bytes that the operation must move for `n` f32 elements.
    pub fn bytes(self, n: u64) -> u64 {
        match self {
            Self::Mask => n.div_ceil(32) * 4,
            _ => n * 8,
        }
    }
}

/// One dropout operation with its settings.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// What is done.
    pub op: Op,
    /// With which generator.
    pub generator: Generator,
    /// With which drop probability.
    pub p: f64,
}

impl Subject {
    /// Every operation, generator and p that is measured.
    pub fn all() -> Vec<Self> {
        let mut all = vec![];
        for generator in Generator::ALL {
            for p in [0.1, 0.5] {
                all.extend(Op::ALL.map(|op| Self { op, generator, p }));
            }
        }
        all
    }

    fn mask(&self) -> Mask {
        let start = if self.op == Op::ForwardUnaligned { 5 } else { 0 };
        Dropout::new(self.p).expect("a probability").with_generator(self.generator).mask(Key::new(42)).at(start)
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Elements; powers of two.
    pub elements: Vec<u64>,
    /// How often everything is timed, in turn.
    pub rounds: usize,
}

impl Sizes {
    /// 2¹⁰, 2¹², … 2²⁶ and 2²⁸ as far as they fit one binding of the device, and the largest that does.
    pub fn that_fit(context: &Context, rounds: usize) -> Self {
        let limits = context.device().limits();
        let most = (limits.max_storage_buffer_binding_size.min(limits.max_buffer_size) / 4).clamp(1 << 10, 1 << 28);
        let mut elements: Vec<_> = (10..=28).step_by(2).map(|power| 1 << power).filter(|&n| n <= most).collect();
        if !elements.contains(&(1 << most.ilog2())) {
            elements.push(1 << most.ilog2());
        }
        Self { elements, rounds }
    }
}

/// A device with a clock, and the buffers of one size.
#[derive(Debug)]
pub struct Bench {
    /// The library on the device.
    pub context: Context,
    /// The clock.
    pub timer: Timer,
}

/// The measurements of one adapter: the JSON of `wgpu-dropout bench`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which adapter.
    pub adapter: AdapterReport,
    /// Where the time comes from.
    pub clock: &'static str,
    /// The fastest copy kernel at the largest size.
    pub copy: Copy,
    /// Every measurement.
    pub results: Vec<Row>,
    /// What recording a call costs on the host.
    pub calls: Vec<CallCost>,
}

/// Names of an adapter.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterReport {
    /// As the driver gives it.
    pub name: String,
    /// Vulkan, GL, Metal, DX12.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
}

/// The yardstick.
#[derive(Clone, Debug, Serialize)]
pub struct Copy {
    /// Which copy kernel was the fastest.
    pub best: String,
    /// Elements.
    pub n: u64,
    /// Median time.
    pub median_ms: f64,
    /// Bytes read and written.
    pub gb_per_s: f64,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The operation, or a yardstick's name.
    pub op: String,
    /// The generator; empty for yardsticks.
    pub generator: String,
    /// The element type.
    pub dtype: &'static str,
    /// Elements.
    pub n: u64,
    /// The drop probability; none for yardsticks.
    pub p: Option<f64>,
    /// Median of the rounds.
    pub median_ms: f64,
    /// First and third quartile of the rounds.
    pub quartiles_ms: [f64; 2],
    /// 10⁹ bytes that must be moved, a second.
    pub gb_per_s: f64,
    /// Time over the fastest copy kernel's at the same n.
    pub ratio_to_copy: f64,
}

impl Bench {
    /// Opens a device on the adapter, with timestamps where it has them.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub fn new(adapter: &wgpu::Adapter) -> Result<Self, Error> {
        let wanted = requirements(adapter);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgpu-dropout bench"),
            required_features: wanted.features | adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
            required_limits: wanted.limits,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::Device { name: adapter.get_info().name, what: format!("refused: {error}") })?;
        let timer = Timer::new(&device, &queue);
        Ok(Self { context: Context::from_device(device, queue)?, timer })
    }

    /// Names of the adapter.
    pub fn adapter(&self) -> AdapterReport {
        let info = self.context.adapter_info();
        AdapterReport {
            name: info.name,
            backend: format!("{:?}", info.backend),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        }
    }

    /// An input and an output buffer of `n` f32 elements for each rotation.
    pub fn buffers(&self, n: u64) -> Vec<[wgpu::Buffer; 2]> {
        let x: Vec<f32> = (0..n).map(|i| (i % 1000) as f32 + 1.0).collect();
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = || {
            let contents = bytemuck::cast_slice(&x);
            let descriptor = wgpu::util::BufferInitDescriptor { label: None, contents, usage };
            self.context.device().create_buffer_init(&descriptor)
        };
        let sets = (ROTATED_BYTES / (n * 8)).clamp(1, 32);
        (0..sets).map(|_| [buffer(), buffer()]).collect()
    }
}

/// Together, the rotated buffers are larger than the cache of any GPU (an H200 has 50 MiB).
const ROTATED_BYTES: u64 = 256 << 20;

/// A dropout operation bound to a set of buffers.
#[derive(Debug)]
pub enum BoundSubject {
    /// Forward, backward, in place.
    Dropout(Bound),
    /// Packed mask.
    Mask(BoundMask),
}

impl BoundSubject {
    /// Binds a subject to buffers of `n` elements.
    ///
    /// # Errors
    /// Those of the library.
    pub fn new(context: &Context, op: Op, [input, output]: &[wgpu::Buffer; 2], n: u64) -> Result<Self, Error> {
        Ok(match op {
            Op::Mask => {
                let words = wgpu_dropout::BufferRange::new(output, 0, n.div_ceil(32) * 4);
                Self::Mask(context.bind_mask(words, n, MaskFormat::Bits)?)
            }
            Op::InPlace => Self::Dropout(context.bind(output, output)?),
            _ => Self::Dropout(context.bind(input, output)?),
        })
    }

    /// Appends the operation.
    ///
    /// # Errors
    /// Those of the library.
    pub fn record(&self, recorder: &mut impl Record, mask: &Mask) -> Result<(), wgpu_dropout::Error> {
        match self {
            Self::Dropout(bound) => bound.record_forward(recorder, mask),
            Self::Mask(bound) => bound.record_keep_mask(recorder, mask),
        }
    }
}

/// Measures everything at every size. `progress` is told before each round.
///
/// # Errors
/// When a result is wrong or the device fails.
pub fn measure(bench: &Bench, sizes: &Sizes, mut progress: impl FnMut(u64, usize)) -> Result<Report, Error> {
    let device = bench.context.device();
    let yardsticks = [YardstickKind::Copy, YardstickKind::ScaleInPlace].map(|kind| Yardstick::family(device, kind));
    let subjects = Subject::all();
    for subject in &subjects {
        check(bench, subject)?;
    }
    let mut results = vec![];
    let mut copy = None;
    for &n in &sizes.elements {
        let sets = bench.buffers(n);
        // Small operations are timed several at a time, each on the next buffers.
        let repeats = ((1 << 18) / n).clamp(1, 256) as usize;
        let mut timings: Vec<Timing<'_>> = vec![];
        for yardstick in yardsticks.iter().flatten().filter(|yardstick| yardstick.fits(n)) {
            let binds = sets.iter().map(|[input, output]| yardstick.bind(device, input, output)).collect();
            timings.push(Timing { work: Work::Yardstick(yardstick, binds), milliseconds: vec![] });
        }
        for subject in &subjects {
            let binds = sets
                .iter()
                .map(|set| BoundSubject::new(&bench.context, subject.op, set, n))
                .collect::<Result<_, _>>()?;
            timings.push(Timing { work: Work::Dropout(subject, binds), milliseconds: vec![] });
        }
        for round in 0..=sizes.rounds {
            progress(n, round);
            for (i, timing) in timings.iter_mut().enumerate() {
                let milliseconds = bench
                    .timer
                    .pass(|pass| (0..repeats).try_for_each(|j| timing.work.record(pass, round * repeats + i + j, n)))?;
                // The first round warms up.
                if round > 0 {
                    timing.milliseconds.push(milliseconds / repeats as f64);
                }
            }
        }
        let fastest = |kind| {
            timings
                .iter()
                .filter_map(|timing| match &timing.work {
                    Work::Yardstick(yardstick, _) if yardstick.kind == kind => Some((yardstick, timing.quartiles())),
                    _ => None,
                })
                .min_by(|a, b| a.1[1].total_cmp(&b.1[1]))
                .expect("a shape of 256 elements fits")
        };
        let (best, best_copy) = fastest(YardstickKind::Copy);
        let (_, best_scale) = fastest(YardstickKind::ScaleInPlace);
        let row = |op: &str, generator: String, p, bytes: u64, [first, median, third]: [f64; 3]| Row {
            op: op.to_owned(),
            generator,
            dtype: "f32",
            n,
            p,
            median_ms: median,
            quartiles_ms: [first, third],
            gb_per_s: bytes as f64 / median * 1e-6,
            ratio_to_copy: median / best_copy[1],
        };
        let copy_row = row("copy", String::new(), None, n * 8, best_copy);
        copy = Some(Copy { best: best.name.clone(), n, median_ms: copy_row.median_ms, gb_per_s: copy_row.gb_per_s });
        results.push(copy_row);
        results.push(row("scale in place", String::new(), None, n * 8, best_scale));
        for timing in &timings {
            if let Work::Dropout(subject, _) = &timing.work {
                let (name, bytes) = (subject.op.name(), subject.op.bytes(n));
                let generator = subject.generator.to_string();
                results.push(row(name, generator, Some(subject.p), bytes, timing.quartiles()));
            }
        }
    }
    let clock: Clock = bench.timer.clock();
    let copy = copy.ok_or_else(|| Error::Device { name: bench.adapter().name, what: "was given no size".into() })?;
    Ok(Report { adapter: bench.adapter(), clock: clock.name(), copy, results, calls: vec![] })
}

struct Timing<'a> {
    work: Work<'a>,
    milliseconds: Vec<f64>,
}

enum Work<'a> {
    Yardstick(&'a Yardstick, Vec<wgpu::BindGroup>),
    Dropout(&'a Subject, Vec<BoundSubject>),
}

impl Work<'_> {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>, turn: usize, n: u64) -> Result<(), wgpu_dropout::Error> {
        match self {
            Self::Yardstick(yardstick, binds) => {
                yardstick.record(pass, &binds[turn % binds.len()], n);
                Ok(())
            }
            Self::Dropout(subject, binds) => binds[turn % binds.len()].record(pass, &subject.mask()),
        }
    }
}

impl Timing<'_> {
    /// First quartile, median, third quartile.
    fn quartiles(&self) -> [f64; 3] {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
    }
}

/// Whatever is wrong is not worth timing.
fn check(bench: &Bench, subject: &Subject) -> Result<(), Error> {
    const N: u64 = 10_007;
    let mask = subject.mask();
    let x: Vec<f32> = (0..N).map(|i| i as f32 + 1.0).collect();
    let (actual, expected): (Vec<u32>, Vec<u32>) = match subject.op {
        Op::Mask => (bench.context.keep_mask_blocking(&mask, N)?, reference::keep_mask(&mask, N)?),
        _ => {
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
            (bits(bench.context.forward_blocking(&mask, &x)?), bits(reference::forward(&mask, &x)?))
        }
    };
    match actual.iter().zip(&expected).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(i) => Err(Error::Wrong {
            what: format!("{} with {} at p = {}", subject.op.name(), subject.generator, subject.p),
            detail: format!("index {i}: expected {:08x}, actual {:08x}", expected[i], actual[i]),
        }),
    }
}
