//! Passes beside plain movers of the same bytes, and beside the same work in separate passes.

use serde::Serialize;
use wgpu_dropout::{
    BufferRange, Pass, Slice, reference,
    wgpu::{self, util::DeviceExt},
};

use crate::{
    Bench, Error,
    mover::Mover,
    pass_op::{Beside, LEAST, PassOp, Slot},
    throughput::quartiles,
};

/// The measurement of a pass.
#[derive(Clone, Debug, Serialize)]
pub struct PassRow {
    /// The pass.
    pub pass: &'static str,
    /// What it worked on.
    pub shape: String,
    /// Median of the rounds.
    pub median_ms: f64,
    /// First and third quartile of the rounds.
    pub quartiles_ms: [f64; 2],
    /// Every round, in order.
    pub samples_ms: Vec<f64>,
    /// What it is measured against: the fastest of some plain kernels that move the same bytes, or the pass without a mask.
    pub beside: String,
    /// Every round of that.
    pub beside_samples_ms: Vec<f64>,
    /// Median time over its median.
    pub ratio_to_beside: f64,
    /// The same work in separate passes.
    pub separate: Option<&'static str>,
    /// Every round of these.
    pub separate_samples_ms: Vec<f64>,
    /// Median time over their median.
    pub ratio_to_separate: Option<f64>,
}

/// What n is at most: passes are measured at one size, the largest up to here that the device has room for.
const MOST: u64 = 1 << 24;

/// Together, the rotated buffers are larger than most caches.
const ROTATED_BYTES: u64 = 256 << 20;

/// Measures the passes that are wanted, at the largest of the sizes that suits. `progress` is told before each round.
///
/// # Errors
/// When a result is wrong or the device fails.
pub fn measure_passes(
    bench: &Bench,
    sizes: &crate::Sizes,
    mut progress: impl FnMut(u64, usize),
) -> Result<Vec<PassRow>, Error> {
    // Samples of ten f32 for an element are the largest tensor.
    let most = (bench.context.device().limits().max_buffer_size / 40).min(MOST);
    let Some(n) = sizes.elements.iter().copied().filter(|n| (LEAST..=most).contains(n)).max() else {
        return Ok(vec![]);
    };
    PassOp::wanted(sizes).map(|op| measure_pass(bench, op, n, sizes.rounds, |round| progress(n, round))).collect()
}

/// Times a pass, what it is measured against and separate passes in turn.
fn measure_pass(
    bench: &Bench,
    op: PassOp,
    n: u64,
    rounds: usize,
    mut progress: impl FnMut(usize),
) -> Result<PassRow, Error> {
    check(bench, op)?;
    let device = bench.context.device();
    let bytes: u64 = Slot::ALL.into_iter().map(|slot| op.elements(slot, n) * 4).sum();
    let sets = (0..(ROTATED_BYTES / bytes).clamp(1, 32)).map(|_| Set::new(device, op, n));
    let sets = sets.collect::<Result<Vec<_>, _>>()?;
    let mut movers: Vec<Vec<Mover>> = vec![];
    if let Beside::Mover(traffic, slots) = op.beside() {
        let words = op.elements(Slot::Y, n);
        movers = sets
            .iter()
            .map(|set| {
                Mover::family(device, traffic, words, &slots.iter().map(|&slot| set.buffer(slot)).collect::<Vec<_>>())
            })
            .collect();
    }
    let kinds = movers.first().map_or(1, Vec::len);
    let mut samples = vec![vec![]; 2 + kinds];
    for round in 0..=rounds {
        progress(round);
        for (i, samples) in samples.iter_mut().enumerate() {
            let turn = (round * (2 + kinds) + i) % sets.len();
            let set = &sets[turn];
            let milliseconds = bench.timer.pass(|pass| match i {
                0 => bench.context.record_pass(pass, set.pass(op, true, n)?),
                1 => op.record_separate(&bench.context, pass, n, set.scratch.as_ref(), |slot| set.buffer(slot)),
                _ => match movers.get(turn) {
                    Some(movers) => {
                        movers[i - 2].record(pass);
                        Ok(())
                    }
                    None => bench.context.record_pass(pass, set.pass(op, false, n)?),
                },
            })?;
            // The first round warms up.
            if round > 0 {
                samples.push(milliseconds);
            }
        }
    }
    let median = |samples: &[f64]| quartiles(samples)[1];
    let [first, own, third] = quartiles(&samples[0]);
    let (number, beside) = (0..)
        .zip(&samples[2..])
        .min_by(|a, b| median(a.1).total_cmp(&median(b.1)))
        .expect("a mover of whole workgroups");
    Ok(PassRow {
        pass: op.name(),
        shape: op.shape(n),
        median_ms: own,
        quartiles_ms: [first, third],
        samples_ms: samples[0].clone(),
        beside: match op.beside() {
            Beside::Mover(..) => movers[0][number].name.clone(),
            Beside::WithoutMask(name) => name.to_owned(),
        },
        beside_samples_ms: beside.clone(),
        ratio_to_beside: own / median(beside),
        separate: op.separate(),
        separate_samples_ms: samples[1].clone(),
        ratio_to_separate: op.separate().map(|_| own / median(&samples[1])),
    })
}

/// The buffers of a pass and of what it is measured against.
struct Set {
    buffers: Vec<wgpu::Buffer>,
    scratch: Option<wgpu::Buffer>,
}

impl Set {
    fn new(device: &wgpu::Device, op: PassOp, n: u64) -> Result<Self, Error> {
        let buffer = |contents: &[u8]| {
            let usage = wgpu::BufferUsages::STORAGE;
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
        };
        // Where there is no such tensor, a buffer all the same: a word.
        let of_slot = |slot| buffer(bytemuck::cast_slice(&elements(op.elements(slot, n).max(1))));
        let scratch = match op.scratch_size(n)? {
            0 => None,
            size => Some(buffer(&vec![0; size as usize])),
        };
        Ok(Self { buffers: Slot::ALL.into_iter().map(of_slot).collect(), scratch })
    }

    fn buffer(&self, slot: Slot) -> &wgpu::Buffer {
        &self.buffers[slot as usize]
    }

    fn pass(&self, op: PassOp, is_masked: bool, n: u64) -> Result<Pass<BufferRange<'_>>, wgpu_dropout::Error> {
        let pass = op.pass(is_masked, n, |slot| BufferRange::from(self.buffer(slot)))?;
        Ok(match &self.scratch {
            Some(scratch) => pass.with_scratch(scratch),
            None => pass,
        })
    }
}

/// The first elements of a tensor: numbers from −2 to 2.
fn elements(count: u64) -> Vec<f32> {
    (0..count).map(|i| (i % 4001) as f32 / 1000.0 - 2.0).collect()
}

/// Whatever is wrong is not worth timing. A smaller pass is checked, of whole workgroups, with tolerance for what the pass has
/// exponentials and sums of.
fn check(bench: &Bench, op: PassOp) -> Result<(), Error> {
    const N: u64 = 1 << 14;
    const TOLERANCE: f32 = 2e-5;
    let run = |run: &dyn Fn(Pass<Slice<'_>>) -> Result<(), wgpu_dropout::Error>| -> Result<_, wgpu_dropout::Error> {
        let inputs = [Slot::X, Slot::Other, Slot::Bias].map(|slot| elements(op.elements(slot, N)));
        let mut outputs = [Slot::Y, Slot::SecondY].map(|slot| vec![0.0_f32; op.elements(slot, N) as usize]);
        {
            let [x, other, bias] = &inputs;
            let [y, second] = &mut outputs;
            let mut places = [
                Some(Slice::from(&x[..])),
                Some(Slice::from(&other[..])),
                Some(Slice::from(&bias[..])),
                None,
                Some(Slice::from(&mut y[..])),
                Some(Slice::from(&mut second[..])),
            ];
            run(op.pass(true, N, |slot| places[slot as usize].take().expect("each tensor once"))?)?;
        }
        Ok(outputs)
    };
    let actual = run(&|pass| bench.context.run_pass_blocking(pass))?;
    let expected = run(&|pass| reference::run_pass(pass))?;
    for (expected, actual) in expected.iter().zip(&actual) {
        let is_wrong = |(a, b): (&f32, &f32)| (a - b).abs() > TOLERANCE * (1.0 + a.abs()) || a.is_nan() != b.is_nan();
        if let Some(i) = expected.iter().zip(actual).position(is_wrong) {
            return Err(Error::Wrong {
                what: op.name().to_owned(),
                detail: format!("element {i}: expected {}, actual {}", expected[i], actual[i]),
            });
        }
    }
    Ok(())
}
