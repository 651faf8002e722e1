use std::sync::{Arc, Mutex, PoisonError};

use futures_channel::oneshot;
use wgpu_dropout::{
    BufferRange, Context, Dropout, Dtype, Error, Generator, Key, Mask, MaskFormat, Operation, Options, Ranges,
    kernels::Schedule, requirements, wgpu,
};

use crate::Fault;

/// An adapter under test, with two devices on it.
pub struct Subject {
    context: Context,
    tiny: Context,
    /// The ordinary device with the kernels that other devices use.
    others: Vec<(Schedule, Context)>,
    reported: Reported,
    has_fault: bool,
}

/// The first thing that a device said outside of a call: in browsers every error, elsewhere a loss.
#[derive(Clone, Default)]
struct Reported(Arc<Mutex<Option<String>>>);

/// Where input and output begin in their buffers, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub input: u64,
    pub output: u64,
    pub one_buffer: bool,
}

/// What goes into a call, as it lies in memory.
#[derive(Clone, Copy)]
pub(crate) struct Data<'a> {
    pub dtype: Dtype,
    pub x: &'a [u8],
    /// What takes the place of dropped elements, and where it begins: so many bytes after the start of a buffer of its own,
    /// or where the output does.
    pub other: Option<(&'a [u8], Option<u64>)>,
    pub row_ids: Option<&'a [u32]>,
    pub key: KeyIn,
}

/// Where the key lies, and p.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyIn {
    Parameters,
    /// The mask has another.
    Buffer,
    /// With p, and the mask has another p too.
    RateBuffer,
}

/// Bytes after a range that must remain as they are.
const GUARD: u64 = 12;

impl Subject {
    /// Opens the adapter for the checks.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when it has no compute shaders or refuses a device.
    pub async fn open(adapter: &wgpu::Adapter) -> Result<Self, Error> {
        Self::open_with(adapter, None).await
    }

    /// [`open`](Self::open), with a mistake in the shaders.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Error::Unsupported`] when the mistake has no place in the shaders any more.
    pub async fn open_with(adapter: &wgpu::Adapter, fault: Option<Fault>) -> Result<Self, Error> {
        let mut options = Options::default();
        if let Some(fault) = fault {
            let (text, other) = fault.replace();
            options = options.with_replaced_text(text, other);
        }
        let reported = Reported::default();
        let (device, queue) = open(adapter, &reported, |_| {}).await?;
        let context = Context::with_options(device.clone(), queue.clone(), options)?;
        // Browsers give no device less than WebGPU's default limits: there this is an ordinary device.
        let small = options.with_workgroup_size(8).with_immediates(false);
        // And an adapter gives one device only.
        #[cfg(target_arch = "wasm32")]
        let (tiny_device, tiny_queue) = (device.clone(), queue.clone());
        #[cfg(not(target_arch = "wasm32"))]
        let (tiny_device, tiny_queue) = open(adapter, &reported, |limits| {
            limits.max_storage_buffer_binding_size = 4096;
            limits.max_compute_workgroups_per_dimension = 2;
        })
        .await?;
        let tiny = Context::with_options(tiny_device, tiny_queue, small)?;
        let mut others = vec![];
        for &schedule in Schedule::ALL.iter().filter(|&&schedule| schedule != context.target().schedule) {
            let other = Context::with_options(device.clone(), queue.clone(), options.with_schedule(schedule))?;
            // So that its kernels for f16 are those that such a device would use.
            other.probe_f16().await?;
            others.push((schedule, other));
        }
        Ok(Self { context, tiny, others, reported, has_fault: fault.is_some() })
    }

    /// Contexts with the kernels that other devices use: on a processor those for GPUs.
    pub(crate) fn others(&self) -> &[(Schedule, Context)] {
        &self.others
    }

    /// Whether the tiny device really is one, so that calls are split.
    pub(crate) fn splits(&self) -> bool {
        self.tiny.device().limits().max_storage_buffer_binding_size < 1 << 16
    }

    /// The ordinary device.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// A device that can bind 4096 bytes and run 2 × 2 workgroups of 8 invocations at once, so that a few thousand
    /// elements take several chunks, and each of them several dispatches.
    pub(crate) fn tiny(&self) -> &Context {
        &self.tiny
    }

    pub(crate) fn has_fault(&self) -> bool {
        self.has_fault
    }

    /// What a device said since the last call of this.
    pub(crate) fn reported(&self) -> Option<String> {
        self.reported.take()
    }

    /// Forward from a range of a buffer to another of it or of another buffer, everything else poisoned. Returns the
    /// output range, and whether all around it is as it was.
    pub(crate) async fn forward_in_buffers(
        &self,
        context: &Context,
        mask: &Mask,
        dtype: Dtype,
        x: &[u8],
        place: Place,
    ) -> Result<(Vec<u8>, bool), Error> {
        let data = Data { dtype, x, other: None, row_ids: None, key: KeyIn::Parameters };
        self.run_in_buffers(context, Operation::Forward(*mask), data, place).await
    }

    /// The same with any operation, and with whatever it needs in buffers of their own, poisoned too.
    pub(crate) async fn run_in_buffers(
        &self,
        context: &Context,
        operation: Operation,
        data: Data<'_>,
        place: Place,
    ) -> Result<(Vec<u8>, bool), Error> {
        let Data { dtype, x, .. } = data;
        let (from, to) = (place.input as usize, place.output as usize);
        let mut before = poison(from.max(to) + x.len());
        if let Some((other, None)) = data.other {
            before[to..to + x.len()].copy_from_slice(other);
        }
        // Poison is an input too: what a kernel reads beside the range must not matter.
        let input = {
            let mut content = before.clone();
            content[from..from + x.len()].copy_from_slice(x);
            let buffer = buffer(context, &content);
            if place.one_buffer {
                before = content;
            }
            buffer
        };
        let output = if place.one_buffer { input.clone() } else { buffer(context, &before) };
        let range = |buffer, offset| BufferRange::new(buffer, offset, x.len() as u64).with_dtype(dtype);
        let (other, ids, keys);
        let mut ranges = Ranges::new(range(&input, place.input), range(&output, place.output));
        match data.other {
            Some((content, Some(offset))) => {
                other = buffer(context, &placed(content, offset));
                ranges = ranges.with_other(range(&other, offset));
            }
            Some((_, None)) => ranges = ranges.with_other(range(&output, place.output)),
            None => {}
        }
        if let Some(content) = data.row_ids {
            let content: &[u8] = bytemuck::cast_slice(content);
            ids = buffer(context, &placed(content, 20));
            ranges = ranges.with_row_ids(BufferRange::new(&ids, 20, content.len() as u64));
        }
        let (bytes, has_rate) = match (data.key, operation.mask()) {
            (KeyIn::Buffer, Some(mask)) => (mask.key().to_bytes().to_vec(), false),
            (KeyIn::RateBuffer, Some(mask)) => (mask.key_and_rate().to_vec(), true),
            _ => (vec![], false),
        };
        keys = buffer(context, &placed(&bytes, 4));
        let range = BufferRange::new(&keys, 4, bytes.len() as u64);
        match operation.mask().filter(|_| !bytes.is_empty()) {
            Some(mask) => {
                let key = if has_rate { context.bind_key_and_rate(range) } else { context.bind_key(range) }?;
                let other = if has_rate {
                    let dropout = Dropout::of_kind(mask.kind(), 0.25)?.with_generator(mask.generator());
                    dropout.mask(Key::new(0)).at(mask.view())
                } else {
                    mask.with_key(Key::new(0))
                };
                let operation = match operation {
                    Operation::Backward(_) => Operation::Backward(other),
                    Operation::Select(_) => Operation::Select(other),
                    _ => Operation::Forward(other),
                };
                context.submit(operation.keyed_by(&key), ranges)?
            }
            None => context.submit(operation, ranges)?,
        };
        let after = self.read(context, &output).await?;
        Ok(cut_out(&before, &after, to, x.len()))
    }

    /// Normals into a range that begins at byte `offset`; everything else as in
    /// [`forward_in_buffers`](Self::forward_in_buffers).
    pub(crate) async fn normals_in_buffer(
        &self,
        context: &Context,
        (generator, key): (Generator, Key),
        start: u64,
        count: u64,
        offset: u64,
    ) -> Result<(Vec<u8>, bool), Error> {
        let size = 4 * count;
        let before = poison((offset + size) as usize);
        let output = buffer(context, &before);
        let bound = context.bind(Ranges::normals(BufferRange::new(&output, offset, size)))?;
        let mut encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record_normals(&mut encoder, generator, key, start)?;
        context.queue().submit([encoder.finish()]);
        let after = self.read(context, &output).await?;
        Ok(cut_out(&before, &after, offset as usize, size as usize))
    }

    /// The keep mask into a range that begins at byte `offset`; everything else as in
    /// [`forward_in_buffers`](Self::forward_in_buffers).
    pub(crate) async fn keep_mask_in_buffer(
        &self,
        context: &Context,
        mask: &Mask,
        (length, row_ids): (u64, Option<&[u32]>),
        format: MaskFormat,
        offset: u64,
    ) -> Result<(Vec<u8>, bool), Error> {
        let size = format.size(length);
        let before = poison((offset + size) as usize);
        let output = buffer(context, &before);
        let ids = row_ids.map(|ids| buffer(context, bytemuck::cast_slice(ids)));
        let ranges = Ranges::mask(BufferRange::new(&output, offset, size), length, format);
        let ranges = ids.as_ref().map_or(ranges, |ids| ranges.with_row_ids(ids));
        context.submit(Operation::KeepMask(*mask), ranges)?;
        let after = self.read(context, &output).await?;
        Ok(cut_out(&before, &after, offset as usize, size as usize))
    }

    /// The packed keep mask with a key that lies in a buffer, between other words.
    pub(crate) async fn keep_mask_by_key(
        &self,
        mask: &Mask,
        key: Key,
        length: u64,
        row_ids: Option<&[u32]>,
    ) -> Result<Vec<u32>, Error> {
        let context = self.context();
        let keys = buffer(context, &placed(&key.to_bytes(), 4));
        let key = context.bind_key(BufferRange::new(&keys, 4, 16))?;
        let output = buffer(context, &poison(MaskFormat::Bits.size(length) as usize));
        let range = BufferRange::new(&output, 0, MaskFormat::Bits.size(length));
        let ids = row_ids.map(|ids| buffer(context, bytemuck::cast_slice(ids)));
        let ranges = Ranges::mask(range, length, MaskFormat::Bits);
        let ranges = ids.as_ref().map_or(ranges, |ids| ranges.with_row_ids(ids));
        context.submit(Operation::KeepMask(*mask).keyed_by(&key), ranges)?;
        let bytes = self.read(context, &output).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes[..range.size as usize]))
    }

    /// Applies a packed mask in place, from byte `offset` of a buffer on; everything else as in
    /// [`forward_in_buffers`](Self::forward_in_buffers).
    pub(crate) async fn apply_mask_in_place(
        &self,
        keep: &[u32],
        scale: f32,
        dtype: Dtype,
        x: &[u8],
        offset: u64,
    ) -> Result<(Vec<u8>, bool), Error> {
        let context = self.context();
        let mut before = poison(offset as usize + x.len());
        before[offset as usize..][..x.len()].copy_from_slice(x);
        let (data, mask) = (buffer(context, &before), buffer(context, bytemuck::cast_slice(keep)));
        let range = BufferRange::new(&data, offset, x.len() as u64).with_dtype(dtype);
        context.submit_apply_mask(&mask, scale, range, range)?;
        let after = self.read(context, &data).await?;
        Ok(cut_out(&before, &after, offset as usize, x.len()))
    }

    async fn read(&self, context: &Context, buffer: &wgpu::Buffer) -> Result<Vec<u8>, Error> {
        let (device, queue) = (context.device(), context.queue());
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("conformance"),
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        queue.submit([encoder.finish()]);
        let failed = |error: String| Error::Device {
            what: "read-back",
            message: self.reported().unwrap_or(error),
            source: None,
        };
        let (sender, receiver) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens when the wait below has failed.
            let _ = sender.send(result);
        });
        // In browsers this does nothing, and the event loop calls back.
        device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| failed(error.to_string()))?;
        receiver.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| failed(error.to_string()))?;
        Ok(view.to_vec())
    }
}

async fn open(
    adapter: &wgpu::Adapter,
    reported: &Reported,
    change: impl FnOnce(&mut wgpu::Limits),
) -> Result<(wgpu::Device, wgpu::Queue), Error> {
    let unsupported = |reason| Error::Unsupported { device: adapter.get_info().name, reason, source: None };
    if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Err(unsupported("it has no compute shaders".to_owned()));
    }
    let mut wanted = requirements(adapter);
    change(&mut wanted.limits);
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("conformance"),
        required_features: wanted.features,
        required_limits: wanted.limits,
        ..Default::default()
    };
    let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| unsupported(error.to_string()))?;
    reported.listen(&device);
    Ok((device, queue))
}

/// What an output holds before a run, and what must remain around its range: a guard behind `size` bytes. No byte is
/// one of a mask.
fn poison(size: usize) -> Vec<u8> {
    (0..(size + GUARD as usize).next_multiple_of(4)).map(|i| (i * 37 + 11) as u8 | 0x80).collect()
}

/// Bytes so far after the start of a buffer, between poison.
fn placed(bytes: &[u8], offset: u64) -> Vec<u8> {
    let mut content = poison(offset as usize + bytes.len());
    content[offset as usize..][..bytes.len()].copy_from_slice(bytes);
    content
}

/// The output range, and whether the rest is as before.
fn cut_out(before: &[u8], after: &[u8], offset: usize, size: usize) -> (Vec<u8>, bool) {
    let end = offset + size;
    (after[offset..end].to_vec(), before[..offset] == after[..offset] && before[end..] == after[end..])
}

fn buffer(context: &Context, bytes: &[u8]) -> wgpu::Buffer {
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("conformance"),
        size: bytes.len() as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    context.queue().write_buffer(&buffer, 0, bytes);
    buffer
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
