use std::sync::{Arc, Mutex, PoisonError};

use futures_channel::oneshot;
use wgpu_dropout::{BufferRange, Context, Error, Mask, Options, requirements, wgpu};

/// A device under test.
pub struct Subject {
    context: Context,
    reported: Reported,
}

/// The first thing that a device said outside of a call: in browsers every error, elsewhere a loss.
#[derive(Clone, Default)]
struct Reported(Arc<Mutex<Option<String>>>);

/// What an output holds before a run, and what must remain around its range.
pub(crate) const POISON: u32 = 0x7fc0_dead;

/// Words before and after the ranges of a buffer.
const MARGIN: u64 = 8;

impl Subject {
    /// Opens the adapter for the checks.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when it has no compute shaders or refuses the device.
    pub async fn open(adapter: &wgpu::Adapter) -> Result<Self, Error> {
        let unsupported = |reason| Error::Unsupported { device: adapter.get_info().name, reason };
        if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
            return Err(unsupported("it has no compute shaders".to_owned()));
        }
        let wanted = requirements(adapter);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("conformance"),
            required_features: wanted.features,
            required_limits: wanted.limits,
            ..Default::default()
        };
        let (device, queue) =
            adapter.request_device(&descriptor).await.map_err(|error| unsupported(error.to_string()))?;
        let reported = Reported::default();
        reported.listen(&device);
        Ok(Self { context: Context::with_options(device, queue, Options::default())?, reported })
    }

    /// The ordinary device.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What the device said since the last call of this.
    pub(crate) fn reported(&self) -> Option<String> {
        self.reported.take()
    }

    pub(crate) async fn forward(&self, mask: &Mask, x: &[f32]) -> Result<Vec<u32>, Error> {
        Ok(self.context.forward(mask, x).await?.into_iter().map(f32::to_bits).collect())
    }

    pub(crate) async fn backward(&self, mask: &Mask, dy: &[f32]) -> Result<Vec<u32>, Error> {
        Ok(self.context.backward(mask, dy).await?.into_iter().map(f32::to_bits).collect())
    }

    /// Forward from a range of one buffer to a range of another, each `MARGIN` words and so many more from the start.
    /// The second value tells whether the words around the output are untouched.
    pub(crate) async fn forward_between_buffers(
        &self,
        mask: &Mask,
        x: &[f32],
        more: [u64; 2],
    ) -> Result<(Vec<u32>, bool), Error> {
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
        let written = self.read(&output).await?;

        let end = place[1] as usize + x.len();
        let (before, rest) = written.split_at(place[1] as usize);
        let (y, after) = (rest[..x.len()].to_vec(), &written[end..]);
        Ok((y, before.iter().chain(after).all(|&word| word == POISON)))
    }

    fn buffer(&self, words: &[u32]) -> wgpu::Buffer {
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let buffer = self.context.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("conformance"),
            size: bytes.len() as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.context.queue().write_buffer(&buffer, 0, bytes);
        buffer
    }

    async fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>, Error> {
        let (device, queue) = (self.context.device(), self.context.queue());
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("conformance"),
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        queue.submit([encoder.finish()]);
        let failed = |error: String| Error::Device { what: "read-back", message: self.reported().unwrap_or(error) };
        let (sender, receiver) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens when the wait below has failed.
            let _ = sender.send(result);
        });
        // In browsers this does nothing, and the event loop calls back.
        device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| failed(error.to_string()))?;
        receiver.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| failed(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

impl Reported {
    /// The device is our own, so its handlers are ours too. The default one for errors panics.
    fn listen(&self, device: &wgpu::Device) {
        let errors = self.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| errors.set(error.to_string())));
        let losses = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Ours to destroy, at the end.
            if reason != wgpu::DeviceLostReason::Destroyed {
                losses.set(format!("the device was lost: {message}"));
            }
        });
    }

    fn set(&self, message: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
