use serde::{Deserialize, Serialize};
use wgpu_dropout::Key;

use crate::Error;

/// The keys of one training step: what a model's `forward` takes beside its input, and hands to every layer.
///
/// A layer's mask is named by the seed, the layer's own number, the step and the sample, and by nothing else: there is no
/// global seed, no counter that moves by itself, and no order of launches. So whoever resumes from a record goes on with the
/// masks that an uninterrupted run would have had, by going on with the number of the step:
///
/// ```
/// use wgpu_dropout_burn::Keys;
///
/// let keys = Keys::new(42); // of the whole training
/// let first_step = 0; // or that of the record
/// for step in first_step..3 {
///     let keys = keys.with_step(step); // for model.forward(x, keys), in training as in a step that is repeated
/// }
/// ```
///
/// It is a value, and small: copy it. The same keys give the same masks, on another device and thread too. That is what a step
/// needs that is computed again, and what several workers need: each says with [`with_first_row`](Self::with_first_row) which
/// rows of the batch it has, and together they have the masks of one device with all of them.
///
/// A layer that is used twice within a step has the same mask both times, as has locked dropout of unrolled sequences. Where
/// that is not wanted, give one use another [`sample`](Self::with_sample).
///
/// With serde it is written into a record of yours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    seed: u64,
    step: u32,
    sample: u16,
    first_row: u64,
}

impl Keys {
    /// Those of step 0.
    pub const fn new(seed: u64) -> Self {
        Self { seed, step: 0, sample: 0, first_row: 0 }
    }

    /// Those of another step.
    #[must_use]
    pub const fn with_step(self, step: u32) -> Self {
        Self { step, ..self }
    }

    /// Those of another Monte Carlo sample, or of another use of the same layers within the step.
    #[must_use]
    pub const fn with_sample(self, sample: u16) -> Self {
        Self { sample, ..self }
    }

    /// The same for a part of the batch that begins at its row `row`, a coordinate of the batch's axis.
    #[must_use]
    pub const fn with_first_row(self, row: u64) -> Self {
        Self { first_row: row, ..self }
    }

    /// The step.
    pub const fn step(self) -> u32 {
        self.step
    }

    /// The batch's row at which the data begins.
    pub const fn first_row(self) -> u64 {
        self.first_row
    }

    /// The key of a layer.
    pub const fn key(self, layer: u16) -> Key {
        Key::new(self.seed).with_layer(layer).with_step(self.step).with_sample(self.sample)
    }
}

/// Numbers the layers of a model while it is built, so that no two have the same masks: from 0 on, in the order in which they
/// are made. The same code gives the same numbers; a layer that comes after all others leaves theirs as they are.
///
/// A number is no parameter, and in no record, as p is not: the model that a record is loaded into has it.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    next: u32,
}

impl Layers {
    /// From 0 on.
    pub const fn new() -> Self {
        Self { next: 0 }
    }

    /// From a number on: for a second model with the same seed, or to keep the numbers of layers that come later.
    pub const fn starting_at(layer: u16) -> Self {
        Self { next: layer as u32 }
    }

    /// The next number.
    ///
    /// # Errors
    /// [`Error::Layers`] after 65535.
    pub fn take(&mut self) -> Result<u16, Error> {
        let layer = u16::try_from(self.next).map_err(|_| Error::Layers)?;
        self.next += 1;
        Ok(layer)
    }
}
