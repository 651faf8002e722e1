//! Known answers of the passes whose results have the same bits everywhere.

use serde::{Deserialize, Serialize};
use wgpu_dropout::{Activation, DropConnect, Dropout, Dtype, Error, Fused, Key, Samples};

use super::{NamedKey, Words, dtype, number, text};

/// Bias, activation, dropout, row keep and residual: y, and what backward makes of dy.
#[derive(Debug, Serialize, Deserialize)]
pub struct FusedAnswer {
    #[serde(with = "text")]
    pub activation: Activation,
    #[serde(with = "dtype")]
    pub dtype: Dtype,
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    #[serde(with = "number")]
    pub columns: u64,
    #[serde(with = "number")]
    pub row_seed: u64,
    #[serde(with = "number")]
    pub row_stream: u64,
    #[serde(with = "number")]
    pub row_p: f64,
    #[serde(with = "number")]
    pub row_start: u64,
    pub x: Words,
    pub bias: Words,
    pub residual: Words,
    pub dy: Words,
    pub y: Words,
    pub dx: Words,
}

/// Samples of inverted dropout, one after the other.
#[derive(Debug, Serialize, Deserialize)]
pub struct SamplesAnswer {
    #[serde(with = "dtype")]
    pub dtype: Dtype,
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    #[serde(with = "number")]
    pub first_sample: u64,
    #[serde(with = "number")]
    pub samples: u64,
    pub x: Words,
    pub y: Words,
}

/// Products of small integers with p = 0.5, and their gradients.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProductAnswer {
    #[serde(flatten)]
    pub key: NamedKey,
    #[serde(with = "number")]
    pub p: f64,
    #[serde(with = "number")]
    pub start: u64,
    /// One, or one for each example.
    #[serde(with = "number")]
    pub masks: u64,
    #[serde(with = "number")]
    pub batch: u64,
    #[serde(with = "number")]
    pub outputs: u64,
    #[serde(with = "number")]
    pub inputs: u64,
    pub w: Words,
    pub x: Words,
    pub dy: Words,
    pub y: Words,
    pub dx: Words,
    pub dw: Words,
}

impl FusedAnswer {
    pub fn fused(&self) -> Result<Fused, Error> {
        let rows = Dropout::new(self.row_p)?.with_generator(self.key.generator);
        let rows = rows.mask(Key::new(self.row_seed).with_stream(self.row_stream)).at(self.row_start);
        let fused = Fused::new(self.key.mask(self.p)?.at(self.start), self.columns)?;
        fused.with_activation(self.activation).with_row_keep(rows)
    }
}

impl SamplesAnswer {
    pub fn samples(&self) -> Result<Samples, Error> {
        Samples::new(self.key.mask(self.p)?.at(self.start), self.first_sample, self.samples)
    }
}

impl ProductAnswer {
    pub fn product(&self) -> Result<DropConnect, Error> {
        let mask = self.key.mask(self.p)?.at(self.start);
        let of = DropConnect::new(mask, self.batch, self.outputs, self.inputs)?;
        Ok(of.with_mask_per_batch(self.masks == 1))
    }
}
