//! Turns what a device reports into [`Error`], without touching the caller's handlers.

use std::{future::Future, pin::Pin, task};

use crate::{Error, kernels::Kernel};

/// What the device will say of some work: natively it is known at once, in browsers later.
#[must_use = "an error that nobody looks at is lost"]
pub(super) struct Report {
    what: &'static str,
    /// The innermost scope first. What has been answered is gone.
    scopes: Vec<Answer>,
    error: Option<Error>,
}

#[cfg(not(target_arch = "wasm32"))]
type Answer = Pin<Box<dyn Future<Output = Option<wgpu::Error>> + Send>>;
#[cfg(target_arch = "wasm32")]
type Answer = Pin<Box<dyn Future<Output = Option<wgpu::Error>>>>;

/// Runs `work` and reports what the device says of it.
///
/// Error scopes belong to the thread and nest, so the caller's own scopes see nothing of this.
pub(super) fn scoped<T>(device: &wgpu::Device, what: &'static str, work: impl FnOnce() -> T) -> (T, Report) {
    scoped_by(device, what, ALL_ERRORS, work)
}

const ALL_ERRORS: [wgpu::ErrorFilter; 3] =
    [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation];

fn scoped_by<T, const N: usize>(
    device: &wgpu::Device,
    what: &'static str,
    filters: [wgpu::ErrorFilter; N],
    work: impl FnOnce() -> T,
) -> (T, Report) {
    let guards = filters.map(|filter| (filter, device.push_error_scope(filter)));
    let value = work();
    let mut report = Report { what, scopes: vec![], error: None };
    // Scopes are a stack: the last pushed is popped first. The pop is done now, its answer may come later.
    for (filter, guard) in guards.into_iter().rev() {
        let mut answer = guard.pop();
        // In browsers wgpu 30 panics over an internal error ("Unexpected error"), in the answer of a scope as well as before
        // the handler of uncaptured errors. So a scope keeps it from both, and nobody asks. To use what failed is an error
        // of another kind.
        if cfg!(target_arch = "wasm32") && filter == wgpu::ErrorFilter::Internal {
            continue;
        }
        // Natively it is there at once, and nothing has to be kept.
        let mut context = task::Context::from_waker(task::Waker::noop());
        match std::pin::pin!(&mut answer).poll(&mut context) {
            task::Poll::Ready(error) if report.scopes.is_empty() => report.take(error),
            task::Poll::Ready(error) => report.scopes.push(Box::pin(std::future::ready(error))),
            task::Poll::Pending => report.scopes.push(Box::pin(answer)),
        }
    }
    (value, report)
}

/// What the device is still to say of a call.
pub(super) struct Reports {
    /// Whether the call can wait for answers. In browsers one that cannot leaves its errors to the device's
    /// uncaptured-error handler.
    can_wait: bool,
    pending: Vec<Report>,
    /// Whose pipelines the call takes.
    kernels: Vec<Kernel>,
    /// The call's own. In browsers the garbage collection frees wgpu's buffers; it does not know their sizes, and may never
    /// come.
    buffers: Vec<wgpu::Buffer>,
}

#[cfg(target_arch = "wasm32")]
impl Drop for Reports {
    fn drop(&mut self) {
        // What has been submitted still runs.
        self.buffers.iter().for_each(wgpu::Buffer::destroy);
    }
}

impl Reports {
    /// For a call that returns at once.
    pub(super) const fn now() -> Self {
        Self { can_wait: false, pending: vec![], kernels: vec![], buffers: vec![] }
    }

    /// For a call that ends with [`wait`](Self::wait).
    pub(super) const fn later() -> Self {
        Self { can_wait: true, pending: vec![], kernels: vec![], buffers: vec![] }
    }

    /// The call takes the pipeline of this kernel.
    pub(super) fn takes(&mut self, kernel: &Kernel) {
        if self.can_wait {
            self.kernels.push(*kernel);
        }
    }

    pub(super) fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    /// The buffer ends with the call.
    pub(super) fn owns(&mut self, buffer: &wgpu::Buffer) {
        if cfg!(target_arch = "wasm32") {
            self.buffers.push(buffer.clone());
        }
    }

    /// Does `work`, and returns what the device says of it if that is known at once.
    pub(super) fn scoped<T>(
        &mut self,
        device: &wgpu::Device,
        what: &'static str,
        work: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        self.scoped_by(device, what, ALL_ERRORS, work)
    }

    /// [`scoped`](Self::scoped) for small writes, of which every call makes one: only a device that is gone refuses those,
    /// and each further scope costs a tenth of the call.
    pub(super) fn scoped_write<T>(
        &mut self,
        device: &wgpu::Device,
        what: &'static str,
        work: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        self.scoped_by(device, what, [wgpu::ErrorFilter::Validation], work)
    }

    fn scoped_by<T, const N: usize>(
        &mut self,
        device: &wgpu::Device,
        what: &'static str,
        filters: [wgpu::ErrorFilter; N],
        work: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        if cfg!(target_arch = "wasm32") && !self.can_wait {
            return Ok(work());
        }
        let (value, mut report) = scoped_by(device, what, filters, work);
        if report.is_known() {
            return report.into_result().map(|()| value);
        }
        self.pending.push(report);
        Ok(value)
    }

    /// The first error of what was not known at once.
    pub(super) async fn wait(&mut self) -> Result<(), Error> {
        let mut first = Ok(());
        for report in self.pending.drain(..) {
            let result = report.await;
            first = first.and(result);
        }
        first
    }
}

impl Report {
    /// Asks without waiting whether everything has been answered.
    pub(super) fn is_known(&mut self) -> bool {
        let mut context = task::Context::from_waker(task::Waker::noop());
        self.ask(&mut context).is_ready()
    }

    pub(super) fn into_result(self) -> Result<(), Error> {
        self.error.map_or(Ok(()), Err)
    }

    /// Takes the answer of the next scope outwards, whose error is what the device reported first.
    fn take(&mut self, answer: Option<wgpu::Error>) {
        if let Some(error) = answer {
            self.error = Some(explain(self.what, error));
        }
    }

    fn ask(&mut self, context: &mut task::Context<'_>) -> task::Poll<()> {
        while let Some(scope) = self.scopes.first_mut() {
            match scope.as_mut().poll(context) {
                task::Poll::Pending => return task::Poll::Pending,
                task::Poll::Ready(answer) => {
                    self.take(answer);
                    drop(self.scopes.remove(0));
                }
            }
        }
        task::Poll::Ready(())
    }
}

impl Future for Report {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<Self::Output> {
        self.ask(context).map(|()| self.error.take().map_or(Ok(()), Err))
    }
}

fn explain(what: &'static str, error: wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory { what },
        error => Error::device(what, error),
    }
}

impl Error {
    /// What the device says of something, with its own error as the source.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn device(what: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Device { what, message: error.to_string(), source: Some(Box::new(error)) }
    }

    #[cfg(target_arch = "wasm32")]
    pub(super) fn device(what: &'static str, error: impl std::error::Error) -> Self {
        Self::Device { what, message: error.to_string(), source: None }
    }
}
