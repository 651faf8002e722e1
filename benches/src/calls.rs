//! What a call costs on the host: training calls dropout thousands of times a step, on tensors that may be small.

use std::{panic::resume_unwind, sync::Barrier, thread, time::Instant};

use serde::Serialize;
use wgpu_dropout::{Context, Dropout, Dtype, Generator, Key, Mask, Options, Ranges, wgpu};

use crate::Error;

/// Microseconds to record one call, everything included that is paid for each.
#[derive(Clone, Debug, Serialize)]
pub struct CallCost {
    /// How the call was made.
    pub how: &'static str,
    /// Median over the encoders of (pass begin, 256 calls, pass end, `finish()`) / 256.
    pub median_us: f64,
    /// Over a bare dispatch of an empty kernel with a ready bind group, from as many threads.
    pub ratio_to_bare: f64,
}

const CALLS: u32 = 256;
const N: u64 = 256;
const ENCODERS: usize = 41;

/// Measures the cost of recording a call of 256 elements, 256 calls an encoder, and of the first call.
///
/// # Errors
/// When the device fails.
pub fn measure_calls(adapter: &wgpu::Adapter) -> Result<Vec<CallCost>, Error> {
    // As users make one, so that everything is paid for that they pay.
    let open = |immediates| {
        let options = Options::default().with_immediates(immediates);
        pollster::block_on(Context::from_adapter_with_options(adapter, options))
    };
    // A device of its own for each way: the bare dispatch is measured on both, in turn with the calls.
    let mut costs = vec![];
    for immediates in [true, false] {
        let context = open(immediates)?;
        if immediates && !context.uses_immediates() {
            continue;
        }
        let device = context.device();
        let data = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: N * 4,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let mask = Dropout::new(0.1)?.mask(Key::new(42));
        let first = Instant::now();
        context.record_forward(&mut device.create_command_encoder(&Default::default()), mask, &data, &data)?;
        let first = first.elapsed().as_secs_f64() * 1e6;
        context.warm_up(Generator::Threefry, Dtype::F32)?;
        let bound = context.bind(Ranges::new(&data, &data))?;
        let bare = BareDispatch::new(device, &data);

        let mut samples: [Vec<f64>; 5] = Default::default();
        for _ in 0..ENCODERS {
            samples[0].push(time(&context, |pass, _| {
                bare.record(pass);
                Ok(())
            })?);
            samples[1].push(time(&context, |pass, call| bound.record_forward(pass, mask_of(mask, call)))?);
            samples[2]
                .push(time(&context, |pass, call| context.record_forward(pass, mask_of(mask, call), &data, &data))?);
        }
        // Apart, because it leaves the caches cold.
        for _ in 0..ENCODERS {
            samples[3].push(time_threads(&context, |pass, _| {
                bare.record(pass);
                Ok(())
            })?);
            samples[4].push(time_threads(&context, |pass, call| bound.record_forward(pass, mask_of(mask, call)))?);
        }
        let [bare_us, bound_us, unbound_us, bare_threads_us, threads_us] = samples.map(|mut samples| {
            samples.sort_by(f64::total_cmp);
            samples[samples.len() / 2]
        });
        let cost = |how, median_us| CallCost { how, median_us, ratio_to_bare: median_us / bare_us };
        costs.extend(match immediates {
            true => [
                cost("bare dispatch", bare_us),
                cost("immediates, buffers bound beforehand", bound_us),
                cost("immediates, buffers bound in the call", unbound_us),
                cost("bare dispatch, 8 threads at once", bare_threads_us),
                CallCost {
                    how: "immediates, bound beforehand, 8 threads at once",
                    median_us: threads_us,
                    ratio_to_bare: threads_us / bare_threads_us,
                },
                cost("immediates, first call, with its pipeline", first),
            ],
            false => [
                cost("bare dispatch (device of the uniform path)", bare_us),
                cost("uniform slots, buffers bound beforehand", bound_us),
                cost("uniform slots, buffers bound in the call", unbound_us),
                cost("bare dispatch, 8 threads at once", bare_threads_us),
                CallCost {
                    how: "uniform slots, bound beforehand, 8 threads at once",
                    median_us: threads_us,
                    ratio_to_bare: threads_us / bare_threads_us,
                },
                cost("uniform slots, first call, with its pipeline", first),
            ],
        });
    }
    Ok(costs)
}

/// Every call has a key of its own, as in training.
fn mask_of(mask: Mask, call: u32) -> Mask {
    mask.at(u64::from(call) * N)
}

/// Microseconds a call.
fn time(
    context: &Context,
    mut record: impl FnMut(&mut wgpu::ComputePass<'_>, u32) -> Result<(), wgpu_dropout::Error>,
) -> Result<f64, Error> {
    let mut encoder = context.device().create_command_encoder(&Default::default());
    let begin = Instant::now();
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for call in 0..CALLS {
            record(&mut pass, call)?;
        }
    }
    let commands = encoder.finish();
    let microseconds = begin.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS);
    context.queue().submit([commands]);
    let wait = context.device().poll(wgpu::PollType::wait_indefinitely());
    wait.map_err(|error| Error::Device { name: context.adapter_info().name, what: error.to_string() })?;
    Ok(microseconds)
}

/// Microseconds that 8 threads at once, an encoder each, need for a call of each of them.
fn time_threads(
    context: &Context,
    record: impl Fn(&mut wgpu::ComputePass<'_>, u32) -> Result<(), wgpu_dropout::Error> + Sync,
) -> Result<f64, Error> {
    let (gate, record) = (Barrier::new(THREADS + 1), &record);
    let elapsed = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut encoder = context.device().create_command_encoder(&Default::default());
                    let mut pass = encoder.begin_compute_pass(&Default::default());
                    gate.wait();
                    let recorded = (0..CALLS).try_for_each(|call| record(&mut pass, call));
                    drop(pass);
                    encoder.finish();
                    recorded
                })
            })
            .collect();
        // The threads are there before the clock starts.
        gate.wait();
        let begin = Instant::now();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|p| resume_unwind(p));
        threads.into_iter().try_for_each(join).map(|()| begin.elapsed())
    })?;
    Ok(elapsed.as_secs_f64() * 1e6 / f64::from(CALLS))
}

const THREADS: usize = 8;

/// A dispatch of an empty kernel with a ready bind group.
struct BareDispatch {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
}

impl BareDispatch {
    fn new(device: &wgpu::Device, data: &wgpu::Buffer) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(
                "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
                @compute @workgroup_size(1) fn main() { _ = &data; }"
                    .into(),
            ),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let layout = pipeline.get_bind_group_layout(0);
        let entries = [wgpu::BindGroupEntry { binding: 0, resource: data.as_entire_binding() }];
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries };
        let bind_group = device.create_bind_group(&descriptor);
        Self { pipeline, bind_group }
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }
}
