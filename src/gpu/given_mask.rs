//! Applying a packed mask from elsewhere, instead of one that a key names.

use std::ops::Range;

use super::{
    Record,
    bind::{Bound, Decided, bind_buffers},
    context::Context,
    pipelines::{Decision, DecisionGroup, GivenMask, Operation},
    range::{BufferRange, Window},
};
use crate::{Error, MaskFormat, wgsl::KeepRule};

/// A packed mask, an input and an output range bound for [`record_apply_mask`](Self::record_apply_mask). Made by
/// [`Context::bind_apply_mask`]. It keeps the buffers alive.
#[derive(Debug)]
pub struct BoundApplyMask {
    bound: Bound,
}

/// The part of a given mask that belongs to a piece.
#[derive(Debug)]
pub(super) struct Given {
    bind_group: wgpu::BindGroup,
    place: GivenMask,
    /// Words from the start of the binding.
    offset: u64,
}

impl Context {
    /// Binds a packed mask, an input and an output: `⌈n/32⌉` words of bits for n elements, element j is bit `j & 31` of
    /// word `j >> 5`, 1 = kept. For the input and the output see [`bind`](Self::bind). The mask may lie in the
    /// output's buffer if it is kept apart from the other ranges.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind), [`Error::Size`] unless the mask has 4·⌈n/32⌉ bytes, and [`Error::SameBuffer`] when
    /// it is too near to a range that is written to.
    pub fn bind_apply_mask<'a>(
        &self,
        mask: impl Into<BufferRange<'a>>,
        input: impl Into<BufferRange<'a>>,
        output: impl Into<BufferRange<'a>>,
    ) -> Result<BoundApplyMask, Error> {
        self.bind_ranges(input.into(), output.into(), Some(mask.into())).map(|bound| BoundApplyMask { bound })
    }
}

impl BoundApplyMask {
    /// Appends `y = keep ? x·scale : +0` to an encoder or a compute pass. With the scale 1 a kept element is multiplied
    /// by 1.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] and [`Error::Device`] of the library's own objects. Nothing is appended then.
    pub fn record_apply_mask(&self, recorder: &mut impl Record, scale: f32) -> Result<(), Error> {
        self.bound.record_pieces(recorder, Operation::Inverted, |piece, _| {
            let given = piece.given.as_ref().expect("bind_apply_mask gives every piece its mask");
            // Which parameters the decision looks at: see shaders/decide_given.wgsl.
            let rule = KeepRule { start: [given.offset as u32, 0], scale, ..bytemuck::Zeroable::zeroed() };
            Decided { decision: Decision::Given(given.place), call: piece.call(rule), group: Some(&given.bind_group) }
        })
    }
}

/// Binds the words of some elements. `written` are the windows of `output` that are bound for writing.
pub(super) fn bind_given(
    context: &Context,
    mask: &BufferRange<'_>,
    elements: &Range<u64>,
    output: &wgpu::Buffer,
    written: &[Window],
) -> Result<Given, Error> {
    let start = mask.offset + MaskFormat::Bits.size(elements.start);
    let end = mask.offset + MaskFormat::Bits.size(elements.end);
    let window = Window::new(start, end, &context.inner.limits);
    let place = if mask.buffer == output { GivenMask::Window } else { GivenMask::Separate };
    if place == GivenMask::Window && written.iter().any(|other| other.overlaps(&window)) {
        let remedy = "keep the mask and the other ranges apart, each from a multiple of the device's \
                      min_storage_buffer_offset_alignment on (256 is one everywhere), or put the mask in a buffer of its own";
        return Err(Error::SameBuffer { role: "mask", remedy });
    }
    let layout = context.inner.pipelines.decision_layout(DecisionGroup::Given(place));
    Ok(Given {
        bind_group: bind_buffers(context, layout, &[window.binding(mask.buffer)])?,
        place,
        offset: window.bytes_before(start) / 4,
    })
}
