//! What happens to one element, when everything that the host knows has been put in: kind, direction, p.

use crate::{Kind, Mask};

/// What an operation does to a kept and to a dropped element, in f32: each multiplication and addition is rounded by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// The bits as they are, whatever the mask.
    Copy,
    /// +0, whatever the mask.
    Drop,
    /// `x·scale`, whatever the mask.
    Multiply {
        /// The probability to keep.
        scale: f32,
    },
    /// `keep ? x·scale : +0`.
    Scale {
        /// What a kept element is multiplied by.
        scale: f32,
    },
    /// The same with a scale that lies in a buffer.
    ScaleInBuffer,
    /// `keep ? x : +0`, with x's bits unchanged.
    Select,
    /// `keep ? x : other`, with the bits of either unchanged.
    Other,
    /// `keep ? (x·scale) + shift : dropped`.
    Alpha {
        /// What a kept element is multiplied by.
        scale: f32,
        /// What is added to it.
        shift: f32,
        /// What a dropped element becomes.
        dropped: f32,
    },
    /// `x·(1 + sigma·z)`, with the index' normal z.
    Gaussian {
        /// The noise's standard deviation.
        sigma: f32,
    },
}

/// Which way an operation goes through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Effect {
    /// Whether it depends on which elements are kept, or on a normal.
    pub(crate) const fn is_random(&self) -> bool {
        !matches!(self, Self::Copy | Self::Drop | Self::Multiply { .. })
    }

    pub(crate) fn new(mask: &Mask, direction: Direction) -> Self {
        let threshold = mask.dropout_threshold();
        if !mask.training() {
            return match mask.kind() {
                Kind::Standard if threshold == 0 => Self::Drop,
                Kind::Standard if threshold < 1 << 32 => Self::Multiply { scale: quotient(threshold) as f32 },
                _ => Self::Copy,
            };
        }
        match (mask.kind(), direction) {
            _ if threshold == 1 << 32 => Self::Copy,
            _ if threshold == 0 => Self::Drop,
            (Kind::Standard, _) => Self::Select,
            (Kind::Gaussian, _) => Self::Gaussian { sigma: sigma(threshold) },
            (Kind::Alpha, Direction::Forward) => {
                let Affine { scale, shift, dropped } = Affine::new(threshold);
                Self::Alpha { scale, shift, dropped }
            }
            (Kind::Alpha, Direction::Backward) => Self::Scale { scale: Affine::new(threshold).scale },
            (Kind::Inverted, _) => Self::Scale { scale: inverse(threshold) },
        }
    }
}

/// The probability to keep, exact in binary64.
fn quotient(threshold: u64) -> f64 {
    threshold as f64 / 4_294_967_296.0
}

/// What inverted dropout multiplies by.
pub(crate) fn inverse(threshold: u64) -> f32 {
    if threshold == 0 { 0.0 } else { (4_294_967_296.0 / threshold as f64) as f32 }
}

/// Of Gaussian noise.
pub(crate) fn sigma(threshold: u64) -> f32 {
    let q = quotient(threshold);
    ((1.0 - q) / q).sqrt() as f32
}

/// The constants of alpha dropout.
pub(crate) struct Affine {
    pub(crate) scale: f32,
    pub(crate) shift: f32,
    pub(crate) dropped: f32,
}

impl Affine {
    /// In binary64, in this order, as the format says.
    pub(crate) fn new(threshold: u64) -> Self {
        /// What SELU tends to for −∞: −λα.
        const SATURATION: f64 = -1.758_099_340_847_376_6;
        let q = quotient(threshold);
        let d = 1.0 - q;
        let a = 1.0 / (q * (1.0 + d * (SATURATION * SATURATION))).sqrt();
        let b = -((a * d) * SATURATION);
        let v = a * SATURATION + b;
        Self { scale: a as f32, shift: b as f32, dropped: v as f32 }
    }
}
