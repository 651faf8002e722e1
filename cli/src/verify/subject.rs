//! The device under test: what it returns, as bits.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use wgpu_dropout::{BlockCounter, BufferRange, Context, Error, Generator, Mask, wgpu};

/// Which result of the device to break on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    Blocks,
    Masks,
    Forward,
    Backward,
    Buffers,
}

/// The element of the first result that a fault changes: neither special nor in the first word.
const FAULTY: usize = 36;

pub struct Subject {
    context: Context,
    fault: Cell<Option<Fault>>,
    /// What the device reports of the buffers made here.
    reported: Arc<Mutex<Option<String>>>,
}

/// What an output holds before a run, and what must remain around its range.
pub const POISON: u32 = 0x7fc0_dead;

/// Words before and after the ranges of a buffer.
const MARGIN: u64 = 8;

impl Subject {
    pub fn new(context: Context, fault: Option<Fault>) -> Self {
        let reported = Arc::new(Mutex::new(None));
        let report = reported.clone();
        // The context's device is our own, so its handler is ours too. The default one would panic.
        context.device().on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            report.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
        }));
        Self { context, fault: Cell::new(fault), reported }
    }

    pub fn random_blocks(&self, generator: Generator, counters: &[BlockCounter]) -> Result<Vec<[u32; 4]>, Error> {
        let mut blocks = self.context.random_blocks_blocking(generator, counters)?;
        if self.breaks(Fault::Blocks, blocks.len() >= 2) {
            blocks[1][2] ^= 1;
        }
        Ok(blocks)
    }

    pub fn keep_mask(&self, mask: &Mask, length: u64) -> Result<Vec<u32>, Error> {
        let mut words = self.context.keep_mask_blocking(mask, length)?;
        if self.breaks(Fault::Masks, length as usize > FAULTY) {
            words[FAULTY / 32] ^= 1 << (FAULTY % 32);
        }
        Ok(words)
    }

    pub fn forward(&self, mask: &Mask, x: &[f32]) -> Result<Vec<u32>, Error> {
        Ok(self.bits(Fault::Forward, self.context.forward_blocking(mask, x)?))
    }

    pub fn backward(&self, mask: &Mask, dy: &[f32]) -> Result<Vec<u32>, Error> {
        Ok(self.bits(Fault::Backward, self.context.backward_blocking(mask, dy)?))
    }

    /// Forward from a range of one buffer to a range of another, each `MARGIN` words and so many more from the start.
    /// The second value tells whether the words around the output are untouched.
    pub fn forward_between_buffers(&self, mask: &Mask, x: &[f32], more: [u64; 2]) -> Result<(Vec<u32>, bool), Error> {
        let words = x.len() as u64;
        let total = words + 2 * MARGIN + more[0].max(more[1]);
        let place = more.map(|more| MARGIN + more);
        let mut contents = vec![POISON; total as usize];
        let output = self.buffer(&contents);
        for (content, x) in contents[place[0] as usize..].iter_mut().zip(x) {
            *content = x.to_bits();
        }
        let input = self.buffer(&contents);
        let range = |buffer, place: u64| BufferRange::new(buffer, place * 4, words * 4);
        self.context.submit_forward(mask, range(&input, place[0]), range(&output, place[1]))?;
        let written = self.read(&output)?;

        let end = place[1] as usize + x.len();
        let (before, rest) = written.split_at(place[1] as usize);
        let (mut y, after) = (rest[..x.len()].to_vec(), &written[end..]);
        if self.breaks(Fault::Buffers, y.len() > FAULTY) {
            y[FAULTY] ^= 1;
        }
        Ok((y, before.iter().chain(after).all(|&word| word == POISON)))
    }

    fn bits(&self, fault: Fault, values: Vec<f32>) -> Vec<u32> {
        let mut bits: Vec<_> = values.into_iter().map(f32::to_bits).collect();
        if self.breaks(fault, bits.len() > FAULTY) {
            bits[FAULTY] ^= 1;
        }
        bits
    }

    /// Whether to break this result: the first one that can be.
    fn breaks(&self, fault: Fault, possible: bool) -> bool {
        let now = possible && self.fault.get() == Some(fault);
        if now {
            self.fault.set(None);
        }
        now
    }

    fn buffer(&self, words: &[u32]) -> wgpu::Buffer {
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let buffer = self.context.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("verify"),
            size: bytes.len() as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.context.queue().write_buffer(&buffer, 0, bytes);
        buffer
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>, Error> {
        let (device, queue) = (self.context.device(), self.context.queue());
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("verify"),
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        queue.submit([encoder.finish()]);
        let failed = |message: String| {
            let reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner).take();
            Error::Device { what: "read-back", message: reported.unwrap_or(message) }
        };
        let (sender, receiver) = mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens when the wait below has failed.
            let _ = sender.send(result);
        });
        device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| failed(error.to_string()))?;
        receiver.recv().map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| failed(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}
