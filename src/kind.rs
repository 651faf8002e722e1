use std::{fmt, str::FromStr};

use crate::UnknownName;

/// What dropout does to the elements. Which of them are kept does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// Inverted dropout, what frameworks call dropout: a kept element is multiplied by 1/(1 − p), a dropped one is +0, and
    /// evaluation is the identity.
    #[default]
    Inverted,
    /// Standard dropout (Srivastava et al., JMLR 15, 2014, §4): a kept element stays as it is, a dropped one is +0, and
    /// evaluation multiplies by 1 − p.
    Standard,
    /// Alpha dropout, for self-normalizing networks (Klambauer et al., NeurIPS 2017): a dropped element takes SELU's value of
    /// saturation, and an affine map keeps mean and variance. Evaluation is the identity.
    Alpha,
    /// Multiplicative Gaussian noise (Srivastava et al., §10): every element is multiplied by 1 + σ·z with a normal z and
    /// σ² = p/(1 − p), the variance of inverted dropout. Nothing is dropped. Evaluation is the identity.
    Gaussian,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Inverted, Self::Standard, Self::Alpha, Self::Gaussian];

    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inverted => "inverted",
            Self::Standard => "standard",
            Self::Alpha => "alpha",
            Self::Gaussian => "gaussian",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("kind", name, Self::ALL, Self::name)
    }
}
