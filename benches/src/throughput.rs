//! Throughput of every operation against size, beside the fastest of the yardsticks.

use half::{bf16, f16};
use serde::Serialize;
use wgpu_dropout::{
    BlockMask, Bound, BufferRange, Context, DropBlock, Dropout, Dtype, Element, Generator, Key, Mask, MaskFormat,
    Operation, Options, Ranges, Record, Slices, reference, requirements,
    wgpu::{self, util::DeviceExt},
};

use crate::{CallCost, Clock, Error, Op, PassRow, Timer, Yardstick, YardstickKind};

/// One dropout operation with its settings.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// What is done.
    pub op: Op,
    /// How the elements are stored.
    pub dtype: Dtype,
    /// With which generator.
    pub generator: Generator,
    /// With which drop probability.
    pub p: f64,
}

impl Subject {
    /// Every operation, type, generator and p that is measured.
    pub fn all() -> Vec<Self> {
        let mut all = vec![];
        for &generator in Generator::ALL {
            for p in [0.1, 0.5] {
                all.extend(Op::PLAIN.map(|op| Self { op, dtype: Dtype::F32, generator, p }));
            }
        }
        for dtype in [Dtype::F16, Dtype::Bf16] {
            let ops = [Op::Forward, Op::ForwardOffset, Op::InPlace];
            all.extend(ops.map(|op| Self { op, dtype, generator: Generator::default(), p: 0.1 }));
        }
        // Rounds are to stay short: the other generator and types differ from these as they do above.
        let one = |op| Self { op, dtype: Dtype::F32, generator: Generator::default(), p: 0.1 };
        all.extend(Op::FAMILY.map(one));
        all
    }

    /// The block mask of `n` elements, a power of two from 2¹⁰ on.
    fn block_mask(&self, n: u64) -> Result<BlockMask, wgpu_dropout::Error> {
        let side = if n < 1 << 12 { 32 } else { 64 };
        let drop_block = DropBlock::new(self.p, &[7, 7])?.with_generator(self.generator);
        drop_block.mask(Key::new(42), &[n / (side * side), side, side])
    }

    /// The mask of `n` elements.
    fn mask(&self, n: u64) -> Mask {
        let dropout = Dropout::of_kind(self.op.kind(), self.p).expect("a probability");
        dropout.with_generator(self.generator).mask(Key::new(42)).at(self.op.view(n))
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Elements; powers of two.
    pub elements: Vec<u64>,
    /// How often everything is timed, in turn.
    pub rounds: usize,
    /// Parts of names: an operation is measured when its name has one of them. None for all.
    pub only: Vec<String>,
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
        Self { elements, rounds, only: vec![] }
    }

    /// Whether an operation or a pass of this name is measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
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
    /// The library's version.
    pub version: &'static str,
    /// Which commit was measured, where it is known.
    pub commit: Option<String>,
    /// When, in seconds since 1970.
    pub unix_seconds: u64,
    /// How the elements were shared out, and among how many invocations of a workgroup.
    pub schedule: &'static str,
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// How 16-bit floats were converted.
    pub f16: String,
    /// Which adapter.
    pub adapter: AdapterReport,
    /// Where the time comes from.
    pub clock: &'static str,
    /// The fastest copy kernel at the largest size.
    pub copy: Copy,
    /// Every measurement.
    pub results: Vec<Row>,
    /// Those of passes, at one size.
    pub passes: Vec<PassRow>,
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
    /// Every round, in order.
    pub samples_ms: Vec<f64>,
    /// 10⁹ bytes that must be moved, a second.
    pub gb_per_s: f64,
    /// Time over the fastest copy kernel's for the same number of elements of that size.
    pub ratio_to_copy: f64,
}

impl Bench {
    /// Opens a device on the adapter, with timestamps where it has them.
    ///
    /// # Errors
    /// When the device cannot be opened.
    pub fn new(adapter: &wgpu::Adapter, options: Options) -> Result<Self, Error> {
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
        let context = Context::with_options(device, queue, options)?;
        // So that 16-bit floats are converted as they will be.
        context.probe_f16_blocking()?;
        Ok(Self { context, timer })
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

    /// What was measured here, and now; neither passes nor calls.
    pub fn report(&self, clock: Clock, copy: Copy, results: Vec<Row>) -> Report {
        let target = self.context.target();
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Report {
            version: env!("CARGO_PKG_VERSION"),
            commit: None,
            unix_seconds: since_1970.as_secs(),
            schedule: target.schedule.name(),
            workgroup_size: target.workgroup_size,
            f16: format!("{:?}", target.f16).to_lowercase(),
            adapter: self.adapter(),
            clock: clock.name(),
            copy,
            results,
            passes: vec![],
            calls: vec![],
        }
    }

    /// An input and an output buffer of `n` elements for each rotation.
    pub fn buffers(&self, dtype: Dtype, n: u64) -> Vec<[wgpu::Buffer; 2]> {
        let x = elements(dtype, n, Input::First);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = || {
            let descriptor = wgpu::util::BufferInitDescriptor { label: None, contents: &x, usage };
            self.context.device().create_buffer_init(&descriptor)
        };
        let sets = (ROTATED_BYTES / (n * dtype.size() * 2)).clamp(1, 32);
        (0..sets).map(|_| [buffer(), buffer()]).collect()
    }
}

/// Together, the rotated buffers are larger than the cache of any GPU (an H200 has 50 MiB).
const ROTATED_BYTES: u64 = 256 << 20;

/// A dropout operation bound to a set of buffers.
#[derive(Debug)]
pub struct BoundSubject {
    bound: Bound,
    /// Of a pass.
    scratch: Option<wgpu::Buffer>,
    context: Context,
    buffers: [wgpu::Buffer; 2],
    op: Op,
    /// Elements.
    n: u64,
}

impl BoundSubject {
    /// Binds a subject to buffers of `n` elements.
    ///
    /// # Errors
    /// Those of the library.
    pub fn new(context: &Context, subject: &Subject, buffers: &[wgpu::Buffer; 2], n: u64) -> Result<Self, Error> {
        let (Subject { op, dtype, .. }, [input, output]) = (*subject, buffers);
        let range = |buffer| BufferRange::new(buffer, 0, n * dtype.size()).with_dtype(dtype);
        let upload = |contents: &[u8]| {
            let usage = wgpu::BufferUsages::STORAGE;
            context.device().create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
        };
        let (other, ids);
        let ranges = match op {
            Op::Mask => Ranges::mask(BufferRange::new(output, 0, MaskFormat::Bits.size(n)), n, MaskFormat::Bits),
            Op::InPlace => Ranges::new(range(output), range(output)),
            // The last element is left out, so that the input can begin one later.
            Op::ForwardOffset => {
                let (size, offset) = ((n - 1) * dtype.size(), dtype.size());
                let part = |buffer, offset| BufferRange::new(buffer, offset, size).with_dtype(dtype);
                Ranges::new(part(input, offset), part(output, 0))
            }
            Op::Normals => Ranges::normals(range(output)),
            Op::Select => {
                other = upload(&elements(dtype, n, Input::Other));
                Ranges::new(range(input), range(output)).with_other(range(&other))
            }
            _ => Ranges::new(range(input), range(output)),
        };
        let ranges = match op.row_ids(n) {
            None => ranges,
            Some(list) => {
                ids = upload(bytemuck::cast_slice(&list));
                ranges.with_row_ids(&ids)
            }
        };
        let scratch = match op {
            Op::DropBlock => Some(context.device().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: subject.block_mask(n)?.scratch_size(),
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })),
            _ => None,
        };
        let (context, buffers) = (context.clone(), buffers.clone());
        Ok(Self { bound: context.bind(ranges)?, scratch, context, buffers, op, n })
    }

    /// Appends the operation.
    ///
    /// # Errors
    /// Those of the library.
    pub fn record(&self, recorder: &mut impl Record, subject: &Subject) -> Result<(), wgpu_dropout::Error> {
        if let Some(scratch) = &self.scratch {
            let range = |buffer| BufferRange::new(buffer, 0, self.n * subject.dtype.size()).with_dtype(subject.dtype);
            let [input, output] = [&self.buffers[0], &self.buffers[1]].map(range);
            let pass = subject.block_mask(self.n)?.forward(input, output);
            return self.context.record_pass(recorder, pass.with_scratch(scratch));
        }
        let mask = subject.mask(self.n);
        let operation = match self.op {
            Op::Normals => return self.bound.record_normals(recorder, mask.generator(), mask.key(), 0),
            Op::Mask => Operation::KeepMask(mask),
            Op::Select => Operation::Select(mask),
            _ => Operation::Forward(mask),
        };
        self.bound.record(recorder, operation)
    }
}

/// Measures everything at every size. `progress` is told before each round.
///
/// # Errors
/// When a result is wrong or the device fails.
pub fn measure(bench: &Bench, sizes: &Sizes, mut progress: impl FnMut(u64, usize)) -> Result<Report, Error> {
    let device = bench.context.device();
    let yardsticks = [YardstickKind::Copy, YardstickKind::ScaleInPlace].map(|kind| Yardstick::family(device, kind));
    let mut subjects = Subject::all();
    subjects.retain(|subject| sizes.wants(subject.op.name()));
    for subject in &subjects {
        check(bench, subject)?;
    }
    let mut results = vec![];
    let mut copy = None;
    for &n in &sizes.elements {
        let sets: Vec<_> = Dtype::ALL.iter().map(|&dtype| bench.buffers(dtype, n)).collect();
        let sets = |dtype: Dtype| &sets[dtype as usize];
        // Small operations are timed several at a time, each on the next buffers.
        let repeats = ((1 << 18) / n).clamp(1, 256) as usize;
        let mut timings: Vec<Timing<'_>> = vec![];
        for yardstick in yardsticks.iter().flatten() {
            // A copy of 16-bit elements is a copy of half as many words.
            for dtype in [Dtype::F32, Dtype::F16] {
                let words = n * dtype.size() / 4;
                if yardstick.fits(words) && (dtype == Dtype::F32 || yardstick.kind == YardstickKind::Copy) {
                    let bind = |[input, output]: &[_; 2]| yardstick.bind(device, input, output);
                    let binds = sets(dtype).iter().map(bind).collect();
                    timings.push(Timing { work: Work::Yardstick(yardstick, words, binds), milliseconds: vec![] });
                }
            }
        }
        for subject in &subjects {
            let bind = |set| BoundSubject::new(&bench.context, subject, set, n);
            let binds = sets(subject.dtype).iter().map(bind).collect::<Result<_, _>>()?;
            timings.push(Timing { work: Work::Dropout(subject, binds), milliseconds: vec![] });
        }
        for round in 0..=sizes.rounds {
            progress(n, round);
            for (i, timing) in timings.iter_mut().enumerate() {
                let milliseconds = bench
                    .timer
                    .pass(|pass| (0..repeats).try_for_each(|j| timing.work.record(pass, round * repeats + i + j)))?;
                // The first round warms up.
                if round > 0 {
                    timing.milliseconds.push(milliseconds / repeats as f64);
                }
            }
        }
        let fastest = |wanted: YardstickKind, dtype: Dtype| {
            timings
                .iter()
                .filter_map(|timing| match &timing.work {
                    Work::Yardstick(yardstick, words, _)
                        if yardstick.kind == wanted && *words == n * dtype.size() / 4 =>
                    {
                        Some((yardstick, &timing.milliseconds[..]))
                    }
                    _ => None,
                })
                .min_by(|a, b| quartiles(a.1)[1].total_cmp(&quartiles(b.1)[1]))
                .expect("a shape of 256 elements fits")
        };
        let row = |op: &str, generator: String, dtype: Dtype, p, bytes: u64, samples: &[f64]| {
            let [first, median, third] = quartiles(samples);
            Row {
                op: op.to_owned(),
                generator,
                dtype: dtype.name(),
                n,
                p,
                median_ms: median,
                quartiles_ms: [first, third],
                samples_ms: samples.to_vec(),
                gb_per_s: bytes as f64 / median * 1e-6,
                ratio_to_copy: median / quartiles(fastest(YardstickKind::Copy, dtype).1)[1],
            }
        };
        for (kind, dtype, name) in [
            (YardstickKind::Copy, Dtype::F32, "copy"),
            (YardstickKind::Copy, Dtype::F16, "copy"),
            (YardstickKind::ScaleInPlace, Dtype::F32, "scale in place"),
        ] {
            let (best, samples) = fastest(kind, dtype);
            let row = row(name, String::new(), dtype, None, n * dtype.size() * 2, samples);
            if (kind, dtype) == (YardstickKind::Copy, Dtype::F32) {
                copy = Some(Copy { best: best.name.clone(), n, median_ms: row.median_ms, gb_per_s: row.gb_per_s });
            }
            results.push(row);
        }
        for timing in &timings {
            if let Work::Dropout(subject, _) = &timing.work {
                let &&Subject { op, dtype, generator, p } = subject;
                let bytes = op.bytes(dtype, n);
                results.push(row(op.name(), generator.to_string(), dtype, Some(p), bytes, &timing.milliseconds));
            }
        }
    }
    let clock: Clock = bench.timer.clock();
    let copy = copy.ok_or_else(|| Error::Device { name: bench.adapter().name, what: "was given no size".into() })?;
    Ok(bench.report(clock, copy, results))
}

struct Timing<'a> {
    work: Work<'a>,
    milliseconds: Vec<f64>,
}

enum Work<'a> {
    /// For a number of words.
    Yardstick(&'a Yardstick, u64, Vec<wgpu::BindGroup>),
    Dropout(&'a Subject, Vec<BoundSubject>),
}

impl Work<'_> {
    fn record(&self, pass: &mut wgpu::ComputePass<'_>, turn: usize) -> Result<(), wgpu_dropout::Error> {
        match self {
            Self::Yardstick(yardstick, words, binds) => {
                yardstick.record(pass, &binds[turn % binds.len()], *words);
                Ok(())
            }
            Self::Dropout(subject, binds) => binds[turn % binds.len()].record(pass, subject),
        }
    }
}

/// First quartile, median, third quartile; there is at least one sample.
pub fn quartiles(samples: &[f64]) -> [f64; 3] {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}

/// Whatever is wrong is not worth timing. What is checked is what is timed: the same ranges, in place or with an offset.
fn check(bench: &Bench, subject: &Subject) -> Result<(), Error> {
    const N: u64 = 10_007;
    let &Subject { op, dtype, generator, p } = subject;
    // A block mask has whole planes.
    let n = if op == Op::DropBlock { 1 << 13 } else { N };
    let context = &bench.context;
    let buffers = &bench.buffers(dtype, n.next_multiple_of(2))[0];
    let bound = BoundSubject::new(context, subject, buffers, n)?;
    let mut encoder = context.device().create_command_encoder(&Default::default());
    bound.record(&mut encoder, subject)?;
    let actual = bench.timer.read(encoder, &buffers[1])?;
    let expected = match dtype {
        Dtype::F32 => expected::<f32>(subject, n)?,
        Dtype::F16 => expected::<f16>(subject, n)?,
        Dtype::Bf16 => expected::<bf16>(subject, n)?,
        _ => unreachable!("no other type is measured"),
    };
    match expected.iter().zip(&actual).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(i) => Err(Error::Wrong {
            what: format!("{} of {dtype} with {generator} at p = {p}", op.name()),
            detail: format!("byte {i}: expected {:02x}, actual {:02x}", expected[i], actual[i]),
        }),
    }
}

/// What the reference makes of the buffers' first elements.
fn expected<T: Element>(subject: &Subject, n: u64) -> Result<Vec<u8>, wgpu_dropout::Error> {
    let (op, mask) = (subject.op, subject.mask(n));
    let offset = u64::from(op == Op::ForwardOffset);
    let x: Vec<T> = (offset..n).map(|i| element(i, Input::First)).collect();
    let other: Vec<T> = (0..n).map(|i| element(i, Input::Other)).collect();
    let ids = op.row_ids(n);
    let (operation, slices) = match op {
        Op::Mask => return Ok(bytemuck::cast_slice(&reference::keep_mask(&mask, n)?).to_vec()),
        Op::Normals => {
            let normals = reference::normals(mask.generator(), mask.key(), 0, n)?;
            return Ok(bytemuck::cast_slice(&normals).to_vec());
        }
        Op::DropBlock => {
            let y = reference::drop_block(&subject.block_mask(n)?, &x)?;
            return Ok(bytemuck::cast_slice(&y).to_vec());
        }
        Op::Select => (Operation::Select(mask), Slices::new(&x).with_other(&other)),
        _ => (Operation::Forward(mask), Slices::new(&x)),
    };
    let slices = ids.as_deref().map_or(slices, |ids| slices.with_row_ids(ids));
    Ok(bytemuck::cast_slice(&reference::run(operation, slices)?).to_vec())
}

/// Which of an operation's inputs.
#[derive(Clone, Copy)]
enum Input {
    First,
    Other,
}

/// The first `n` elements of an input, as they are stored.
fn elements(dtype: Dtype, n: u64, input: Input) -> Vec<u8> {
    fn bytes<T: Element>(n: u64, input: Input) -> Vec<u8> {
        bytemuck::cast_slice(&(0..n).map(|i| element::<T>(i, input)).collect::<Vec<_>>()).to_vec()
    }
    match dtype {
        Dtype::F32 => bytes::<f32>(n, input),
        Dtype::F16 => bytes::<f16>(n, input),
        Dtype::Bf16 => bytes::<bf16>(n, input),
        _ => unreachable!("no other type is measured"),
    }
}

/// Element i of an input.
fn element<T: Element>(i: u64, input: Input) -> T {
    let x = (i % 1000) as f32 + 1.0;
    T::narrow(match input {
        Input::First => x,
        Input::Other => -x,
    })
}
