//! What a study measures with: the device, the data, the seed, and how much of it.

use std::cell::RefCell;

use wgpu_dropout::{BufferRange, Context, Generator, Key, Mask, Samples, Statistics};

use crate::{Error, data::Data};

/// What a study is run with. Masks, noise and dropout come from here; the arithmetic around them is the host's, in f64.
pub struct Lab<'a> {
    pub context: &'a Context,
    pub data: &'a Data,
    /// Fewer samples: wider intervals, the same verdict.
    pub quick: bool,
    /// Whether the study does what its [`fault`](crate::Study::fault) says.
    pub fault: bool,
    seed: u64,
    progress: RefCell<&'a mut dyn FnMut(f64)>,
}

/// Mean and variance (M₂/T) of samples, an element for each of one sample's.
pub struct Moments {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

impl<'a> Lab<'a> {
    /// The lab of a study: `progress` is told the part that is done.
    pub fn new(
        context: &'a Context,
        data: &'a Data,
        options: LabOptions,
        study: &str,
        progress: &'a mut dyn FnMut(f64),
    ) -> Self {
        let LabOptions { seed, quick, fault } = options;
        // A study has masks of its own, whatever else is run: its name goes into the seed (FNV-1a).
        let name = study
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self { context, data, quick, fault, seed: seed ^ name, progress: RefCell::new(progress) }
    }

    /// How much: in a full run, and in a quick one.
    pub fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// A key of this study. Layers tell what is drawn; steps and samples are free.
    pub const fn key(&self, layer: u16) -> Key {
        Key::new(self.seed).with_layer(layer)
    }

    /// Says that so much of the work is done.
    pub fn progress(&self, done: usize, of: usize) {
        (self.progress.borrow_mut())(done as f64 / of.max(1) as f64);
    }

    /// Standard normals.
    pub fn normals(&self, key: Key, count: usize) -> Result<Vec<f64>, Error> {
        let normals = self.context.normals_blocking(Generator::default(), key, 0, count as u64)?;
        Ok(normals.into_iter().map(f64::from).collect())
    }

    /// Dropout of copies of x, one after the other: copies `first` to `first + count` of a tensor of as many as you like, under
    /// one mask over all of it. One launch, where samples of few elements would be a launch each.
    pub fn copies(&self, mask: Mask, x: &[f32], first: usize, count: usize) -> Result<Vec<f32>, Error> {
        Ok(self.context.forward_blocking(&mask.at((first * x.len()) as u64), &x.repeat(count))?)
    }

    /// The moments of dropout of x over `count` masks: samples and statistics stay on the device, which keeps a few at a time.
    pub fn moments(&self, mask: Mask, x: &[f32], count: usize) -> Result<Moments, Error> {
        let bytes = size_of_val(x) as u64;
        let at_a_time = ((1 << 22) / x.len().max(1)).clamp(1, count);
        let [input, samples] = [1, at_a_time].map(|copies| self.buffer(bytes * copies as u64));
        let [mean, m2] = [(); 2].map(|()| self.buffer(bytes));
        let queue = self.context.queue();
        queue.write_buffer(&input, 0, bytemuck::cast_slice(x));
        let mut statistics = Statistics::new(x.len() as u64);
        for first in (0..count).step_by(at_a_time) {
            let now = at_a_time.min(count - first);
            let part = BufferRange::new(&samples, 0, bytes * now as u64);
            self.context.submit_pass(Samples::new(mask, first as u64, now as u64)?.forward(&input, part))?;
            self.context.submit_pass(statistics.update(part, &mean, &m2))?;
            statistics = statistics.with_count((first + now) as u64);
        }
        self.context.submit_pass(statistics.variance(&m2, &m2))?;
        Ok(Moments { mean: self.read(&mean)?, variance: self.read(&m2)? })
    }

    /// A buffer that kernels read and write, and that the host can fill and read.
    pub fn buffer(&self, size: u64) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let label = Some("study");
        self.context.device().create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
    }

    /// What a buffer holds, once the device is done.
    pub fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<f32>, Error> {
        let (device, size) = (self.context.device(), buffer.size());
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some("study"), size, usage, mapped_at_creation: false };
        let readable = device.create_buffer(&descriptor);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &readable, 0, size);
        self.context.queue().submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        readable.map_async(wgpu::MapMode::Read, .., move |result| drop(sender.send(result)));
        device.poll(wgpu::PollType::wait_indefinitely())?;
        receiver.recv()??;
        let view = readable.get_mapped_range(..)?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

/// What is asked of every study of a run.
#[derive(Clone, Copy, Debug)]
pub struct LabOptions {
    pub seed: u64,
    pub quick: bool,
    pub fault: bool,
}
