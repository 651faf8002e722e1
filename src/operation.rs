use crate::Mask;

/// What is computed: a value that every tier of the library takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// `y = keep ? x·scale : +0`. Where everything is kept, the bits are copied unchanged.
    Forward(Mask),
    /// `dx = keep ? dy·scale : +0`, with the mask regenerated from the key: the same pass as [`Forward`](Self::Forward),
    /// with the gradient of the output as the input.
    Backward(Mask),
    /// The mask itself, in a [`MaskFormat`](crate::MaskFormat).
    KeepMask(Mask),
    /// `y = keep ? x·scale : +0` with a packed mask of the caller. With the scale 1 a kept element is multiplied by 1.
    ApplyMask {
        /// What a kept element is multiplied by.
        scale: f32,
    },
}

impl Operation {
    /// Its mask, if a key names it.
    pub const fn mask(&self) -> Option<&Mask> {
        match self {
            Self::Forward(mask) | Self::Backward(mask) | Self::KeepMask(mask) => Some(mask),
            Self::ApplyMask { .. } => None,
        }
    }

    /// Whether everything is kept, so that there is nothing to compute: evaluation, or p = 0.
    pub fn keeps_all(&self) -> bool {
        self.mask().is_some_and(Mask::keeps_all)
    }

    /// The operation on what follows the first `elements` elements.
    #[must_use]
    pub fn skip(self, elements: u64) -> Self {
        match self {
            Self::Forward(mask) => Self::Forward(mask.skip(elements)),
            Self::Backward(mask) => Self::Backward(mask.skip(elements)),
            Self::KeepMask(mask) => Self::KeepMask(mask.skip(elements)),
            Self::ApplyMask { scale } => Self::ApplyMask { scale },
        }
    }

    /// What it is called in errors.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Forward(_) => "forward",
            Self::Backward(_) => "backward",
            Self::KeepMask(_) => "keep mask",
            Self::ApplyMask { .. } => "apply mask",
        }
    }
}
