//! Throughput beside a copy on the same device.
//!
//! Wall time, because it is what every browser has: a submission holds so many calls that its fixed costs are small,
//! and what an empty one takes is subtracted. Recording is not timed.

use futures_channel::oneshot;
use wasm_bindgen::prelude::*;
use wgpu_dropout::{
    Bound, BufferRange, Context, Dropout, Error, Key, Mask, MaskFormat, Ranges,
    wgpu::{self, BufferUsages, ComputePass},
};

use crate::{
    gpu::Gpu,
    yardstick::{Yardstick, YardstickKind},
};

/// How often everything is timed, in turn, so that drift of the machine hits everything alike.
const ROUNDS: usize = 7;

/// What a submission should take, in milliseconds.
const SUBMISSION: f64 = 40.0;

/// Each call's parameters are a write to the queue: more of them would take longer than the work.
const MOST_CALLS: u32 = 4096;

/// A device with a clock and the copy kernels.
#[wasm_bindgen]
pub struct Bench {
    context: Context,
    copies: Vec<Yardstick>,
    /// Milliseconds that an empty submission takes.
    empty: f64,
}

/// An operation at a size.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone)]
pub struct Measurement {
    /// The operation.
    pub name: String,
    /// Milliseconds of a call, the median of the rounds.
    pub milliseconds: f64,
    /// Bytes that the operation must read and write.
    pub bytes: f64,
}

#[wasm_bindgen]
impl Gpu {
    /// Prepares the measurement.
    pub async fn bench(&self) -> Bench {
        let context = self.context.clone();
        let copies = Yardstick::family(context.device(), YardstickKind::Copy);
        let mut bench = Bench { context, copies, empty: 0.0 };
        let mut times = vec![];
        for _ in 0..21 {
            times.push(bench.submit(|_| Ok(())).await.unwrap_or_default());
        }
        bench.empty = median(times);
        bench
    }
}

#[wasm_bindgen]
impl Bench {
    /// Milliseconds that an empty submission takes.
    #[wasm_bindgen(getter)]
    pub fn empty(&self) -> f64 {
        self.empty
    }

    /// The copy, forward, forward in place and the packed mask of 2^`power` f32 elements, p = 0.1.
    ///
    /// # Errors
    /// Those of the library.
    pub async fn measure(&self, power: u32) -> Result<Vec<Measurement>, JsError> {
        let n = 1 << power;
        let buffers = [self.buffer(n), self.buffer(n)];
        let measured = self.measure_on(&buffers, n).await;
        // Not left to the browser's garbage collection.
        buffers.iter().for_each(wgpu::Buffer::destroy);
        Ok(measured?)
    }

    async fn measure_on(&self, [input, output]: &[wgpu::Buffer; 2], n: u64) -> Result<Vec<Measurement>, Error> {
        let context = &self.context;
        let mut copy: Option<Timing<'_>> = None;
        for yardstick in self.copies.iter().filter(|yardstick| yardstick.fits(n)) {
            let bind_group = yardstick.bind(context.device(), input, output);
            let timing = self.prepare(Work::Copy(yardstick, bind_group, n)).await?;
            if copy.as_ref().is_none_or(|fastest| timing.first < fastest.first) {
                copy = Some(timing);
            }
        }
        let mask_words = BufferRange::new(output, 0, MaskFormat::Bits.size(n));
        let mut timings = Vec::from_iter(copy);
        for work in [
            Work::Dropout("forward", context.bind(Ranges::new(input, output))?, n),
            Work::Dropout("in place", context.bind(Ranges::new(output, output))?, n),
            Work::Mask(context.bind(Ranges::mask(mask_words, n, MaskFormat::Bits))?, n),
        ] {
            timings.push(self.prepare(work).await?);
        }
        for _ in 0..ROUNDS {
            for timing in &mut timings {
                let milliseconds = self.time(&timing.work, timing.calls).await?;
                timing.milliseconds.push(milliseconds);
            }
        }
        Ok(timings.into_iter().map(Measurement::from).collect())
    }

    /// Warms up, and finds how many calls a submission should hold.
    async fn prepare<'a>(&self, work: Work<'a>) -> Result<Timing<'a>, Error> {
        self.time(&work, 1).await?;
        let mut calls = 1;
        loop {
            let milliseconds = self.time(&work, calls).await?;
            let total = milliseconds * f64::from(calls);
            if total >= SUBMISSION / 2.0 || calls == MOST_CALLS {
                return Ok(Timing { work, calls, first: milliseconds, milliseconds: vec![] });
            }
            // Not at once: short times are the least certain.
            let wanted = f64::from(calls) * (SUBMISSION / total.max(0.1)).min(16.0);
            calls = (wanted.ceil() as u32).min(MOST_CALLS);
        }
    }

    /// Milliseconds of one of so many calls in one submission.
    async fn time(&self, work: &Work<'_>, calls: u32) -> Result<f64, Error> {
        let total = self.submit(|pass| (0..calls).try_for_each(|_| work.record(pass))).await?;
        Ok((total - self.empty).max(0.0) / f64::from(calls))
    }

    /// Milliseconds from the submission of a compute pass until the browser says that it is done.
    async fn submit(&self, record: impl FnOnce(&mut ComputePass<'_>) -> Result<(), Error>) -> Result<f64, Error> {
        let mut encoder = self.context.device().create_command_encoder(&Default::default());
        record(&mut encoder.begin_compute_pass(&Default::default()))?;
        let commands = encoder.finish();
        // The parameters of the calls are on their way to the device: that is part of recording.
        self.done().await;
        let start = now();
        self.context.queue().submit([commands]);
        self.done().await;
        Ok(now() - start)
    }

    async fn done(&self) {
        let (sender, receiver) = oneshot::channel();
        self.context.queue().on_submitted_work_done(move || {
            // The receiver is below.
            let _ = sender.send(());
        });
        // wgpu calls back even when the device is lost.
        let _ = receiver.await;
    }

    fn buffer(&self, n: u64) -> wgpu::Buffer {
        let buffer = self.context.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("throughput"),
            size: n * 4,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let x: Vec<f32> = (0..n).map(|i| (i % 1000) as f32 + 1.0).collect();
        self.context.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&x));
        buffer
    }
}

/// What is timed, bound to its buffers.
enum Work<'a> {
    Copy(&'a Yardstick, wgpu::BindGroup, u64),
    Dropout(&'static str, Bound, u64),
    Mask(Bound, u64),
}

impl Work<'_> {
    fn record(&self, pass: &mut ComputePass<'_>) -> Result<(), Error> {
        match self {
            Self::Copy(yardstick, bind_group, n) => {
                yardstick.record(pass, bind_group, *n);
                Ok(())
            }
            Self::Dropout(_, bound, _) => bound.record_forward(pass, mask()?),
            Self::Mask(bound, _) => bound.record_keep_mask(pass, mask()?),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Copy(..) => "copy",
            Self::Dropout(name, ..) => name,
            Self::Mask(..) => "mask",
        }
    }

    /// Bytes that must be read and written.
    fn bytes(&self) -> u64 {
        match self {
            Self::Copy(.., n) | Self::Dropout(.., n) => n * 8,
            Self::Mask(_, n) => MaskFormat::Bits.size(*n),
        }
    }
}

fn mask() -> Result<Mask, Error> {
    Ok(Dropout::new(0.1)?.mask(Key::new(42)))
}

struct Timing<'a> {
    work: Work<'a>,
    calls: u32,
    /// Milliseconds of a call, once.
    first: f64,
    milliseconds: Vec<f64>,
}

impl From<Timing<'_>> for Measurement {
    fn from(timing: Timing<'_>) -> Self {
        Self {
            name: timing.work.name().to_owned(),
            bytes: timing.work.bytes() as f64,
            milliseconds: median(timing.milliseconds),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[wasm_bindgen]
extern "C" {
    /// Milliseconds.
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}
