use crate::{
    Error, Kind, Mask,
    effect::{Direction, Effect},
};

/// What is computed: a value that every tier of the library takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Dropout of x: what the mask's [`Kind`] says. Inverted dropout is `y = keep ? x·scale : +0`. Where p is 0, and in
    /// evaluation, the bits are copied unchanged; [`Kind::Standard`] multiplies by 1 − p in evaluation.
    Forward(Mask),
    /// The gradient of the input from that of the output, with the mask regenerated from the key:
    /// `dx = keep ? dy·scale : +0` for inverted dropout.
    Backward(Mask),
    /// The mask itself, in a [`MaskFormat`](crate::MaskFormat).
    KeepMask(Mask),
    /// `y = keep ? x·scale : +0` with a packed mask of the caller. With the scale 1 a kept element is multiplied by 1.
    ApplyMask {
        /// What a kept element is multiplied by.
        scale: f32,
    },
    /// `y = keep ? x : other`, with the bits of either unchanged, whatever the mask's kind. With the states of two steps it is
    /// zoneout (Krueger et al., ICLR 2017), with the embedding of an unknown word it is word dropout.
    ///
    /// The gradient of x is that of [`Kind::Standard`]; that of `other` is `Select` again, of zeros and the gradient of y.
    Select(Mask),
}

impl Operation {
    /// Its mask, if a key names it.
    pub const fn mask(&self) -> Option<&Mask> {
        match self {
            Self::Forward(mask) | Self::Backward(mask) | Self::KeepMask(mask) | Self::Select(mask) => Some(mask),
            Self::ApplyMask { .. } => None,
        }
    }

    /// Whether every element of the output is that of the input, so that there is nothing to compute: in evaluation, and for
    /// p = 0.
    pub fn copies(&self) -> bool {
        self.effect() == Some(Effect::Copy)
    }

    /// The operation on what follows the first `elements` elements.
    #[must_use]
    pub fn skip(self, elements: u64) -> Self {
        match self {
            Self::Forward(mask) => Self::Forward(mask.skip(elements)),
            Self::Backward(mask) => Self::Backward(mask.skip(elements)),
            Self::KeepMask(mask) => Self::KeepMask(mask.skip(elements)),
            Self::ApplyMask { scale } => Self::ApplyMask { scale },
            Self::Select(mask) => Self::Select(mask.skip(elements)),
        }
    }

    /// What happens to an element, with all numbers put in: what is left to whoever computes it elsewhere. None for a mask, out
    /// of which no elements come.
    pub fn effect(&self) -> Option<Effect> {
        match *self {
            Self::Forward(ref mask) => Some(Effect::new(mask, Direction::Forward)),
            Self::Backward(ref mask) => Some(Effect::new(mask, Direction::Backward)),
            Self::KeepMask(_) => None,
            Self::ApplyMask { scale } => Some(Effect::Scale { scale }),
            Self::Select(mask) => Some(if mask.keeps_all() { Effect::Copy } else { Effect::Other }),
        }
    }

    /// The operation where only a buffer knows p: that of some p between 0 and 1.
    pub(crate) fn with_any_rate(self) -> Result<Self, Error> {
        Ok(match self {
            Self::Forward(mask) | Self::Backward(mask) if mask.kind() == Kind::Standard && !mask.training() => {
                return Err(Error::NoRate { what: "the evaluation of standard dropout" });
            }
            Self::Forward(mask) => Self::Forward(mask.with_any_rate()),
            Self::Backward(mask) => Self::Backward(mask.with_any_rate()),
            Self::KeepMask(mask) => Self::KeepMask(mask.with_any_rate()),
            Self::ApplyMask { scale } => Self::ApplyMask { scale },
            Self::Select(mask) => Self::Select(mask.with_any_rate()),
        })
    }

    /// Checks what the operation and its data must be of each other: `row_ids` is how many ids there are.
    pub(crate) fn check(&self, length: u64, row_ids: Option<u64>) -> Result<(), Error> {
        let Some(mask) = self.mask() else {
            return row_ids.map_or(Ok(()), |ids| Err(Error::RowIds { rows: 0, ids: Some(ids) }));
        };
        if mask.kind() == Kind::Gaussian && matches!(self, Self::KeepMask(_) | Self::Select(_)) {
            return Err(Error::NoMask);
        }
        mask.check_length(length)?;
        mask.check_row_ids(row_ids)
    }

    /// What it is called in errors.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Forward(_) => "forward",
            Self::Backward(_) => "backward",
            Self::KeepMask(_) => "keep mask",
            Self::ApplyMask { .. } => "apply mask",
            Self::Select(_) => "select",
        }
    }

    /// What it needs besides an input and an output, in errors.
    pub(crate) const fn needs(&self) -> &'static str {
        match self {
            Self::Forward(_) | Self::Backward(_) => "an input and an output, no packed mask and no other input",
            Self::KeepMask(_) => "a mask as the output",
            Self::ApplyMask { .. } => "an input, an output and a packed mask",
            Self::Select(_) => "an input, another input and an output",
        }
    }
}
