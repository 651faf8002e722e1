//! This library, as a training loop calls it: a submission a call, and a key of its own for each.

use wgpu_dropout::{
    Context, Dropout, Key,
    wgpu::{self, util::DeviceExt},
};

use crate::{
    Error,
    subject::{P, Part, Subject, input},
};

const PEER: &str = "wgpu-dropout";

/// Together, the rotated buffers are larger than the cache of any GPU.
const ROTATED_BYTES: u64 = 256 << 20;

pub struct Ours {
    context: Context,
    dropout: Dropout,
    part: Part,
    sets: Vec<Buffers>,
    step: u32,
}

struct Buffers {
    x: wgpu::Buffer,
    y: wgpu::Buffer,
    /// The gradient of the output, and of the input.
    gradients: Option<[wgpu::Buffer; 2]>,
}

impl Ours {
    pub fn new(context: &Context, part: Part, n: u64) -> Result<Self, Error> {
        let buffer = |values: &[f32]| {
            let contents: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            context.device().create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents: &contents,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
            })
        };
        let (x, zeros) = (input(n), vec![0.0; n as usize]);
        let sets = (0..rotations(n))
            .map(|_| Buffers {
                x: buffer(&x),
                y: buffer(&zeros),
                gradients: (part == Part::ForwardBackward).then(|| [buffer(&vec![1.0; n as usize]), buffer(&zeros)]),
            })
            .collect();
        Ok(Self { context: context.clone(), dropout: Dropout::new(P)?, part, sets, step: 0 })
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<f32>, Error> {
        let device = self.context.device();
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.context.queue().submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| ());
        wait(device)?;
        let view = staging.get_mapped_range(..).map_err(|error| Error::peer(PEER, error))?;
        Ok(view.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect())
    }

    fn set(&self, step: u32) -> &Buffers {
        &self.sets[step as usize % self.sets.len()]
    }
}

/// How many sets of buffers are used in turn for `n` elements.
pub fn rotations(n: u64) -> u64 {
    (ROTATED_BYTES / (n * 8)).clamp(1, 32)
}

/// Waits for all work of a device.
pub fn wait(device: &wgpu::Device) -> Result<(), Error> {
    device.poll(wgpu::PollType::wait_indefinitely()).map(drop).map_err(|error| Error::peer(PEER, error))
}

impl Subject for Ours {
    fn library(&self) -> String {
        PEER.into()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn generator(&self) -> &'static str {
        "threefry"
    }

    fn call(&mut self) -> Result<(), Error> {
        self.step += 1;
        let mask = self.dropout.mask(Key::new(42).with_step(self.step));
        let set = self.set(self.step);
        self.context.submit_forward(&mask, &set.x, &set.y)?;
        if let Some([dy, dx]) = &set.gradients {
            self.context.submit_backward(&mask, dy, dx)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        wait(self.context.device())
    }

    fn release(&mut self) {}

    fn outputs(&mut self) -> Result<(Vec<f32>, Option<Vec<f32>>), Error> {
        let set = self.set(self.step);
        let gradient = set.gradients.as_ref().map(|[_, dx]| self.read(dx)).transpose()?;
        Ok((self.read(&set.y)?, gradient))
    }
}
