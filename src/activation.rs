use std::{fmt, str::FromStr};

use crate::UnknownName;

/// The function between a bias and dropout, of a [`Fused`](crate::Fused) pass.
///
/// `None` and `Relu` give the same bits on every device. The others are within 4 units in the last place plus 10⁻⁶ of the
/// exact function of their f32 argument; at minus infinity they are NaN, as in other libraries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Activation {
    /// The identity.
    #[default]
    None,
    /// `v < 0 ? +0 : v`: −0 and NaN stay. The derivative is 0 up to 0, and 1 for NaN.
    Relu,
    /// `v·Φ(v)` with the normal distribution function, through the error function (Hendrycks and Gimpel, *Gaussian error
    /// linear units*, 2016).
    Gelu,
    /// The approximation of it by a hyperbolic tangent: `v/2·(1 + tanh(√(2/π)·(v + 0.044715·v³)))`.
    GeluTanh,
    /// `v/(1 + e^−v)`, also called swish.
    Silu,
}

impl Activation {
    /// Every function.
    pub const ALL: &'static [Self] = &[Self::None, Self::Relu, Self::Gelu, Self::GeluTanh, Self::Silu];

    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Silu => "silu",
        }
    }

    /// Whether its derivative depends on its argument.
    pub(crate) const fn is_curved(self) -> bool {
        !matches!(self, Self::None)
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Activation {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("activation", name, Self::ALL, Self::name)
    }
}
