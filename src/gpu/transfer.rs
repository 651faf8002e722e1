//! Between host and device: uploads, and read-backs that wait without spinning.

use std::sync::{Arc, Mutex, PoisonError};

use futures_channel::oneshot;

use super::{context::Context, error_scope::Reports};
use crate::Error;

impl Context {
    /// A new storage buffer with this content, padded to whole words.
    pub(super) fn upload(&self, reports: &mut Reports, bytes: &[u8]) -> Result<wgpu::Buffer, Error> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = self.create_buffer(reports, (bytes.len() as u64).next_multiple_of(4), usage)?;
        self.write(reports, &buffer, 0, bytes)?;
        Ok(buffer)
    }

    /// Writes into a buffer from a word on, padded to whole words.
    pub(super) fn write(
        &self,
        reports: &mut Reports,
        buffer: &wgpu::Buffer,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let (words, rest) = bytes.split_at(bytes.len() - bytes.len() % 4);
        reports.scoped(&self.inner.device, "upload", || {
            self.inner.queue.write_buffer(buffer, offset, words);
            if !rest.is_empty() {
                let mut last = [0; 4];
                last[..rest.len()].copy_from_slice(rest);
                self.inner.queue.write_buffer(buffer, offset + words.len() as u64, &last);
            }
        })
    }

    pub(super) fn create_buffer(
        &self,
        reports: &mut Reports,
        size: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer, Error> {
        let limit = self.inner.limits.max_buffer_size;
        if size > limit {
            return Err(Error::TooLarge { bytes: size, limit, what: "max_buffer_size" });
        }
        let buffer = reports.scoped(&self.inner.device, "buffer", || {
            self.inner.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgpu-dropout slice"),
                size,
                usage,
                mapped_at_creation: false,
            })
        })?;
        reports.owns(&buffer);
        Ok(buffer)
    }

    /// Submits what `record` appends, then a copy of `buffer` to where the host can read it.
    pub(super) fn read_back(
        &self,
        reports: &mut Reports,
        buffer: &wgpu::Buffer,
        record: impl FnOnce(&mut Reports, &mut wgpu::CommandEncoder) -> Result<(), Error>,
    ) -> Result<Readback, Error> {
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = self.create_buffer(reports, buffer.size(), usage)?;
        let submission = self.submit_recorded(reports, |reports, encoder| {
            record(reports, encoder)?;
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
            Ok(())
        })?;
        let (reply, mapped) = Reply::new();
        let callback = reply.clone();
        reports.scoped(&self.inner.device, "read-back", || {
            staging.map_async(wgpu::MapMode::Read, .., move |result| {
                callback.send(result.map_err(|error| error.to_string()));
            });
        })?;
        Ok(Readback { context: self.clone(), staging, wait: Wait { submission, reply }, mapped })
    }
}

/// A result on its way to the host.
pub(super) struct Readback {
    context: Context,
    staging: wgpu::Buffer,
    wait: Wait,
    mapped: oneshot::Receiver<Mapped>,
}

/// What someone has to wait for so that a read-back ends.
struct Wait {
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "browsers have nothing to wait with"))]
    submission: wgpu::SubmissionIndex,
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "in browsers only the callback replies"))]
    reply: Reply,
}

/// Says once how a mapping ended: the device's callback does, or who finds that the device is gone.
#[derive(Clone)]
struct Reply(Arc<Mutex<Option<oneshot::Sender<Mapped>>>>);

/// How a mapping ended.
type Mapped = Result<(), String>;

impl Reply {
    fn new() -> (Self, oneshot::Receiver<Mapped>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    fn send(&self, result: Mapped) {
        if let Some(sender) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody listens when the future was dropped.
            let _ = sender.send(result);
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Wait {
    /// Blocks until the device has run the submission. The callback comes from whichever thread polls the device then.
    fn run(self, device: &wgpu::Device) {
        let wait = wgpu::PollType::Wait { submission_index: Some(self.submission), timeout: None };
        if let Err(error) = device.poll(wait) {
            self.reply.send(Err(error.to_string()));
        }
    }
}

/// The thread that waits for the device on behalf of async calls: there is one while there is something to wait for, and
/// none otherwise.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    #[cfg(not(target_arch = "wasm32"))]
    state: Arc<Mutex<Waits>>,
}

#[cfg(not(target_arch = "wasm32"))]
#[derive(Default)]
struct Waits {
    queue: std::collections::VecDeque<Wait>,
    /// Whether the thread will look at the queue again.
    is_running: bool,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[cfg(not(target_arch = "wasm32"))]
impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} waits", self.queue.len())
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Waiter {
    /// Has the thread wait for this too, and starts one where there is none.
    fn add(&self, device: &wgpu::Device, wait: Wait) {
        let mut waits = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        waits.queue.push_back(wait);
        if std::mem::replace(&mut waits.is_running, true) {
            return;
        }
        if let Some(ended) = waits.thread.take() {
            // It has found the queue empty, and does nothing more.
            let _ = ended.join();
        }
        let (state, of_thread) = (self.state.clone(), device.clone());
        let work = move || run_all(&state, &of_thread);
        match std::thread::Builder::new().name("wgpu-dropout".to_owned()).spawn(work) {
            Ok(thread) => waits.thread = Some(thread),
            // No thread is to be had: wait here.
            Err(_) => {
                drop(waits);
                run_all(&self.state, device);
            }
        }
    }
}

/// Waits for all there is to wait for.
#[cfg(not(target_arch = "wasm32"))]
fn run_all(state: &Mutex<Waits>, device: &wgpu::Device) {
    loop {
        let next = {
            let mut waits = state.lock().unwrap_or_else(PoisonError::into_inner);
            let next = waits.queue.pop_front();
            // Under the lock: whoever comes next sees that nobody waits any more.
            waits.is_running = next.is_some();
            next
        };
        let Some(wait) = next else { return };
        wait.run(device);
    }
}

/// The thread ends before the context does: a device that another thread closes while the process ends makes some drivers
/// abort.
#[cfg(not(target_arch = "wasm32"))]
impl Drop for Waiter {
    fn drop(&mut self) {
        let thread = self.state.lock().unwrap_or_else(PoisonError::into_inner).thread.take();
        // Unless a callback that the thread itself runs dropped the last context.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Readback {
    /// Appends the first `count` elements to `out`, which has room for them.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn finish_into_blocking<T: bytemuck::Pod>(self, out: &mut Vec<T>, count: usize) -> Result<(), Error> {
        let Self { context, staging, wait, mapped } = self;
        wait.run(&context.inner.device);
        copy_into(&context, &staging, pollster::block_on(mapped), out, count)
    }

    /// The same without blocking the thread: someone must poll the device on native, and in browsers the event loop does.
    pub(super) async fn finish_into<T: bytemuck::Pod>(self, out: &mut Vec<T>, count: usize) -> Result<(), Error> {
        let Self { context, staging, wait, mapped } = self;
        #[cfg(not(target_arch = "wasm32"))]
        context.inner.waiter.add(&context.inner.device, wait);
        #[cfg(target_arch = "wasm32")]
        let _ = wait;
        let mapped = mapped.await;
        copy_into(&context, &staging, mapped, out, count)
    }
}

fn copy_into<T: bytemuck::Pod>(
    context: &Context,
    staging: &wgpu::Buffer,
    mapped: Result<Mapped, oneshot::Canceled>,
    out: &mut Vec<T>,
    count: usize,
) -> Result<(), Error> {
    let explain = |message: String| {
        let lost = context.check_device().err();
        lost.unwrap_or(Error::Device { what: "read-back", message, source: None })
    };
    mapped.map_err(|_| explain("the device dropped the request".to_owned()))?.map_err(explain)?;
    let view = staging.get_mapped_range(..).map_err(|error| explain(error.to_string()))?;
    let bytes = &view[..count * size_of::<T>()];
    match bytemuck::try_cast_slice(bytes) {
        Ok(values) => out.extend_from_slice(values),
        // Mapped memory is aligned in practice; nothing promises it.
        Err(_) => out.extend(bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned::<T>)),
    }
    Ok(())
}
