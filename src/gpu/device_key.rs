//! Keys in buffers of the device: what was recorded takes another mask each time that the key there has advanced,
//! without the host.

use super::{
    Record,
    bind::bind_buffers,
    call::Call,
    context::Context,
    dispatch::{Groups, record},
    pipelines::{Access, DecisionGroup, Kernel},
    range::{BufferRange, Window},
};
use crate::{Error, Key, Mask, wgsl::KeepRule};

/// A key that lies in a buffer of the device. Made by [`Context::bind_key`]. It keeps the buffer alive.
///
/// ```no_run
/// # use wgpu_dropout::*;
/// # fn f(context: &Context, key_buffer: &wgpu::Buffer, x: &wgpu::Buffer, y: &wgpu::Buffer) -> Result<(), Error> {
/// context.queue().write_buffer(key_buffer, 0, &Key::new(42).layer(3).to_bytes());
/// let key = context.bind_key(key_buffer)?;
/// let mask = Dropout::new(0.1)?.mask(Key::default()); // its key is not looked at
///
/// let mut encoder = context.device().create_command_encoder(&Default::default());
/// let bound = context.bind(x, y)?;
/// for _ in 0..1000 {
///     bound.record_forward(&mut encoder, mask.keyed_by(&key))?; // … and the rest of a training step
///     key.record_advance(&mut encoder, 1)?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct BoundKey {
    context: Context,
    buffer: wgpu::Buffer,
    /// Words from the start of the bindings.
    pub(super) offset: u32,
    /// For decisions.
    pub(super) read: wgpu::BindGroup,
    /// For [`record_advance`](Self::record_advance).
    write: wgpu::BindGroup,
}

/// A [`Mask`] whose key is its own, or lies in a buffer of the device: what the recording methods take. A `&Mask`
/// becomes one by itself; [`Mask::keyed_by`] makes the other.
#[derive(Clone, Copy, Debug)]
pub struct KeyedMask<'k> {
    pub(super) mask: Mask,
    pub(super) key: Option<&'k BoundKey>,
}

impl From<&Mask> for KeyedMask<'_> {
    fn from(mask: &Mask) -> Self {
        Self { mask: *mask, key: None }
    }
}

impl Mask {
    /// This mask with the key that lies in a buffer when the commands run, instead of its own.
    pub fn keyed_by(self, key: &BoundKey) -> KeyedMask<'_> {
        KeyedMask { mask: self, key: Some(key) }
    }
}

impl KeyedMask<'_> {
    /// Checks the mask for `length` elements that are written to `output`.
    pub(super) fn check(&self, length: u64, output: &wgpu::Buffer) -> Result<(), Error> {
        self.mask.check_length(length)?;
        if self.key.is_some_and(|key| key.buffer == *output) {
            return Err(Error::SameBuffer { role: "key", remedy: "put the key in a buffer of its own" });
        }
        Ok(())
    }
}

impl Context {
    /// Binds a key that lies in a buffer: 16 bytes, as [`Key::to_bytes`] gives them, from a multiple of 4 on.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::OutOfBounds`], [`Error::Alignment`], [`Error::Usage`] without
    /// `wgpu::BufferUsages::STORAGE`, [`Error::DeviceLost`], and [`Error::Device`] for a buffer that was destroyed or
    /// belongs to another device.
    pub fn bind_key<'a>(&self, key: impl Into<BufferRange<'a>>) -> Result<BoundKey, Error> {
        let key = key.into();
        self.check_device()?;
        key.check("key", 4)?;
        if key.size != Key::BYTES {
            return Err(Error::Size { role: "key", size: key.size, remedy: "a key has 16" });
        }
        let window = Window::new(key.offset, key.end(), &self.inner.limits);
        let pipelines = &self.inner.pipelines;
        let bind = |layout| bind_buffers(self, layout, &[window.binding(key.buffer)]);
        Ok(BoundKey {
            context: self.clone(),
            buffer: key.buffer.clone(),
            offset: (window.bytes_before(key.offset) / 4) as u32,
            read: bind(pipelines.decision_layout(DecisionGroup::Key))?,
            write: bind(pipelines.buffers_layout(Access::Shared))?,
        })
    }
}

impl BoundKey {
    /// Appends an addition of `steps` to the key's step, modulo 2³²: what is recorded later, and submitted later, uses
    /// the key after it.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] and [`Error::Device`] of the library's own objects. Nothing is appended then.
    pub fn record_advance(&self, recorder: &mut impl Record, steps: u32) -> Result<(), Error> {
        self.context.check_device()?;
        // Which parameters the kernel looks at: see shaders/advance_key.wgsl.
        let rule = KeepRule { seed: [self.offset, 0], stream: [steps, 0], ..bytemuck::Zeroable::zeroed() };
        let call = Call { rule, ..bytemuck::Zeroable::zeroed() };
        let groups = Groups { buffers: &self.write, decision: None };
        let mut dispatches = vec![];
        self.context.plan(&mut dispatches, Kernel::AdvanceKey, groups, 0..1, call)?;
        record(recorder, &dispatches);
        Ok(())
    }
}
