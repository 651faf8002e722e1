//! Keys in buffers of the device: what was recorded takes another mask each time that the key there has advanced,
//! without the host. With a rate beside them it follows a schedule of p.

use std::sync::Arc;

use super::{
    bind::{Ready, create_bind_group, record_all},
    buffer_range::BufferRange,
    context::Context,
    error_scope::Reports,
    record::Record,
};
use crate::{
    Error, Key, Mask, Operation,
    kernels::{KeyPlace, Operand, advance_key, check_operand, words},
};

/// A key that lies in a buffer of the device, alone or with a rate. Made by [`Context::bind_key`] and
/// [`Context::bind_key_and_rate`]. It keeps the buffer alive.
///
/// ```no_run
/// # use wgpu_dropout::*;
/// # fn f(context: &Context, key_buffer: &wgpu::Buffer, x: &wgpu::Buffer, y: &wgpu::Buffer) -> Result<(), Error> {
/// context.queue().write_buffer(key_buffer, 0, &Key::new(42).with_layer(3).to_bytes());
/// let key = context.bind_key(key_buffer)?;
/// let mask = Dropout::new(0.1)?.mask(Key::default()); // its key is not looked at
///
/// let mut encoder = context.device().create_command_encoder(&Default::default());
/// let bound = context.bind(Ranges::new(x, y))?;
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
    word: u32,
    has_rate: bool,
    /// For decisions.
    read: wgpu::BindGroup,
    /// For [`record_advance`](Self::record_advance).
    write: wgpu::BindGroup,
}

/// A mask or an operation whose key is its own, or lies in a buffer of the device: what the buffer and recording tiers
/// take. A [`Mask`] and an [`Operation`] become one by themselves, `keyed_by` makes the other.
#[derive(Clone, Copy, Debug)]
pub struct Keyed<'k, T> {
    value: T,
    key: Option<&'k BoundKey>,
}

impl<T> From<T> for Keyed<'_, T> {
    fn from(value: T) -> Self {
        Self { value, key: None }
    }
}

impl<T: Copy> From<&T> for Keyed<'_, T> {
    fn from(value: &T) -> Self {
        Self { value: *value, key: None }
    }
}

impl<'k, T> Keyed<'k, T> {
    pub(super) const fn new(value: T, key: &'k BoundKey) -> Self {
        Self { value, key: Some(key) }
    }

    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Keyed<'k, U> {
        Keyed { value: f(self.value), key: self.key }
    }

    pub(super) fn value(&self) -> &T {
        &self.value
    }

    pub(super) fn key_place(&self) -> KeyPlace {
        match self.key {
            None => KeyPlace::Parameters,
            Some(&BoundKey { word, has_rate: false, .. }) => KeyPlace::Buffer { word },
            Some(&BoundKey { word, has_rate: true, .. }) => KeyPlace::RateBuffer { word },
        }
    }

    pub(super) fn bind_group(&self) -> Option<&'k wgpu::BindGroup> {
        self.key.map(|key| &key.read)
    }

    /// Checks the key for a call of a context that writes to `output`.
    pub(super) fn check(&self, context: &Context, output: &wgpu::Buffer) -> Result<(), Error> {
        let Some(key) = self.key else { return Ok(()) };
        if !Arc::ptr_eq(&key.context.inner, &context.inner) {
            return Err(Error::OtherContext { what: "key" });
        }
        if key.buffer == *output {
            return Err(Error::SameBuffer);
        }
        Ok(())
    }
}

impl Mask {
    /// This mask with the key that lies in a buffer when the commands run, instead of its own; and with p from there, if the
    /// key was bound with a rate.
    pub fn keyed_by(self, key: &BoundKey) -> Keyed<'_, Self> {
        Keyed { value: self, key: Some(key) }
    }
}

impl Operation {
    /// This operation with the key that lies in a buffer when the commands run, instead of its mask's own; and with p from
    /// there, if the key was bound with a rate.
    pub fn keyed_by(self, key: &BoundKey) -> Keyed<'_, Self> {
        Keyed { value: self, key: Some(key) }
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
        self.bind_key_bytes(key.into(), Key::BYTES, false, "a key has 16")
    }

    /// Binds a key and a rate that lie in a buffer: 48 bytes, as [`Mask::key_and_rate`] gives them, from a multiple of 4 on.
    /// What is recorded with a mask that is [keyed by](Mask::keyed_by) it takes both from there when the commands run, and of
    /// the mask the kind, the generator and the view. So one recording follows a schedule of p, like that of
    /// `ScheduledDropPath` (Zoph et al., CVPR 2018), which raises p linearly during training; or p is decided after the
    /// recording, by the host or by a kernel. The bits are those of p from the host: p = 0 copies, p = 1 writes +0.
    ///
    /// In evaluation the buffer is not looked at. Gaussian noise has no p = 1: with such a buffer, which no mask of that kind
    /// gives, its elements are NaN.
    ///
    /// ```no_run
    /// # use wgpu_dropout::*;
    /// # fn f(
    /// #     context: &Context, schedule: &wgpu::Buffer, current: &wgpu::Buffer, x: &wgpu::Buffer, y: &wgpu::Buffer,
    /// # ) -> Result<(), Error> {
    /// for step in 0..1000_u32 {
    ///     let dropout = Dropout::new(0.3 * f64::from(step) / 1000.0)?;
    ///     let bytes = dropout.mask(Key::new(42).with_step(step)).key_and_rate();
    ///     context.queue().write_buffer(schedule, u64::from(step) * Mask::KEY_AND_RATE_BYTES, &bytes);
    /// }
    /// let key = context.bind_key_and_rate(current)?;
    /// let mask = Dropout::new(0.5)?.mask(Key::default()); // neither its p nor its key is looked at
    ///
    /// let mut encoder = context.device().create_command_encoder(&Default::default());
    /// let bound = context.bind(Ranges::new(x, y))?;
    /// for step in 0..1000 {
    ///     encoder.copy_buffer_to_buffer(schedule, step * Mask::KEY_AND_RATE_BYTES, current, 0, Mask::KEY_AND_RATE_BYTES);
    ///     bound.record_forward(&mut encoder, mask.keyed_by(&key))?; // … and the rest of a training step
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`bind_key`](Self::bind_key). Recording says [`Error::NoRate`] for the evaluation of standard dropout, which needs p
    /// from the mask, and for `DropBlock`.
    pub fn bind_key_and_rate<'a>(&self, key: impl Into<BufferRange<'a>>) -> Result<BoundKey, Error> {
        self.bind_key_bytes(key.into(), Mask::KEY_AND_RATE_BYTES, true, "a key and its rate have 48")
    }

    fn bind_key_bytes(
        &self,
        key: BufferRange<'_>,
        bytes: u64,
        has_rate: bool,
        remedy: &'static str,
    ) -> Result<BoundKey, Error> {
        self.check_not_lost()?;
        check_operand("key", &Operand::new(0, key.offset, key.size), 4)?;
        key.check("key")?;
        if key.size != bytes {
            return Err(Error::Size { role: "key", size: key.size, remedy });
        }
        let inner = &self.inner;
        let before = key.offset % u64::from(inner.target.binding_alignment);
        let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: key.buffer,
            offset: key.offset - before,
            size: wgpu::BufferSize::new(before + key.size),
        });
        let advance = advance_key(&inner.target, 0, 0);
        let write = inner.pipelines.operands_layout(&inner.device, advance.kernel().layout());
        let bind = |layout| create_bind_group(self, &mut Reports::now(), layout, std::slice::from_ref(&resource));
        Ok(BoundKey {
            read: bind(inner.pipelines.key_layout())?,
            write: bind(write)?,
            context: self.clone(),
            buffer: key.buffer.clone(),
            word: words(before / 4)[0],
            has_rate,
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
        self.context.check_not_lost()?;
        let launch = advance_key(&self.context.inner.target, self.word, steps);
        let ready = [Ready::new(&self.context, &mut Reports::now(), &launch)?];
        record_all(recorder, &ready, |_| &self.write, None);
        Ok(())
    }
}
