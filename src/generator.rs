use std::{fmt, str::FromStr};

/// The counter-based random generator behind a mask (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*,
/// SC 2011). Both are used through the same keep rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Generator {
    /// Threefry-4×32 with 20 rounds: additions, rotations and exclusive-ors only, which every GPU and every
    /// browser has. The default.
    #[default]
    Threefry,
    /// Philox-4×32 with 10 rounds: what PyTorch, Triton and cuRAND use. WGSL has no multiply-high, so it costs
    /// about twice as much here.
    Philox,
}

impl Generator {
    /// Every generator.
    pub const ALL: [Self; 2] = [Self::Threefry, Self::Philox];

    /// One past the last element index that the generator's counter can address: 2⁶⁴ for Threefry, 2⁵⁹ for Philox.
    pub const fn index_end(self) -> u128 {
        match self {
            Self::Threefry => 1 << 64,
            Self::Philox => 1 << 59,
        }
    }

    /// The name that the command line and the known answers use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Threefry => "threefry",
            Self::Philox => "philox",
        }
    }
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Generator {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|generator| generator.name() == name)
            .ok_or_else(|| format!("unknown generator '{name}': use threefry or philox"))
    }
}
