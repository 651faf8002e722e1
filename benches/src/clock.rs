//! Time of GPU work: timestamp queries where the device has them, else wall time around submit and wait.

use std::time::Instant;

use wgpu_dropout::wgpu;

use crate::Error;

/// Which clock a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Timestamps at the begin and the end of the compute pass.
    Gpu,
    /// Wall time from submit to the end of the wait.
    Wall,
}

impl Clock {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu => "GPU timestamps",
            Self::Wall => "wall time around submit and wait",
        }
    }
}

/// Times compute passes.
#[derive(Debug)]
pub struct Timer {
    device: wgpu::Device,
    queue: wgpu::Queue,
    queries: Option<Queries>,
}

#[derive(Debug)]
struct Queries {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
    nanoseconds: f64,
}

impl Timer {
    /// A timer with the best clock that the device has.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let queries = device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| {
            let buffer = |usage| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size: 16,
                    usage,
                    mapped_at_creation: false,
                })
            };
            Queries {
                set: device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: None,
                    ty: wgpu::QueryType::Timestamp,
                    count: 2,
                }),
                resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
                staging: buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
                nanoseconds: f64::from(queue.get_timestamp_period()),
            }
        });
        Self { device: device.clone(), queue: queue.clone(), queries }
    }

    /// Which clock it is.
    pub fn clock(&self) -> Clock {
        if self.queries.is_some() { Clock::Gpu } else { Clock::Wall }
    }

    /// Milliseconds of a compute pass that `record` fills.
    ///
    /// # Errors
    /// When the device is lost, or `record` says so.
    pub fn pass(
        &self,
        record: impl FnOnce(&mut wgpu::ComputePass<'_>) -> Result<(), wgpu_dropout::Error>,
    ) -> Result<f64, Error> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let timestamp_writes = self.queries.as_ref().map(|queries| wgpu::ComputePassTimestampWrites {
                query_set: &queries.set,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
            record(&mut pass)?;
        }
        let Some(queries) = &self.queries else { return self.wall(encoder) };
        encoder.resolve_query_set(&queries.set, 0..2, &queries.resolved, 0);
        encoder.copy_buffer_to_buffer(&queries.resolved, 0, &queries.staging, 0, 16);
        self.wall(encoder)?;
        queries.staging.map_async(wgpu::MapMode::Read, .., |_| ());
        self.wait()?;
        let ticks: Vec<u64> = match queries.staging.get_mapped_range(..) {
            Ok(view) => bytemuck::pod_collect_to_vec(&view),
            Err(error) => return Err(self.failed(error.to_string())),
        };
        queries.staging.unmap();
        Ok(ticks[1].saturating_sub(ticks[0]) as f64 * queries.nanoseconds * 1e-6)
    }

    /// Milliseconds of wall time around submit and wait.
    ///
    /// # Errors
    /// When the device is lost.
    pub fn wall(&self, encoder: wgpu::CommandEncoder) -> Result<f64, Error> {
        let commands = encoder.finish();
        let begin = Instant::now();
        self.queue.submit([commands]);
        self.wait()?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    }

    /// Runs what was recorded, and returns the content of a buffer.
    ///
    /// # Errors
    /// When the device is lost.
    pub fn read(&self, mut encoder: wgpu::CommandEncoder, buffer: &wgpu::Buffer) -> Result<Vec<u8>, Error> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| ());
        self.wait()?;
        let view = staging.get_mapped_range(..).map_err(|error| self.failed(error.to_string()))?;
        Ok(view.to_vec())
    }

    fn wait(&self) -> Result<(), Error> {
        self.device.poll(wgpu::PollType::wait_indefinitely()).map(drop).map_err(|error| self.failed(error.to_string()))
    }

    fn failed(&self, what: String) -> Error {
        Error::Device { name: self.device.adapter_info().name, what: format!("did not answer: {what}") }
    }
}
