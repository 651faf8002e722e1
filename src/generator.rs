use std::{fmt, str::FromStr};

use crate::{Error, UnknownName};

/// The counter-based random generator behind a mask (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*,
/// SC 2011). Both are used through the same keep rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
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
    pub const ALL: &'static [Self] = &[Self::Threefry, Self::Philox];

    /// One past the last element index that the generator's counter can address: 2⁶⁴ for Threefry, 2⁵⁹ for Philox.
    pub const fn index_end(self) -> u128 {
        match self {
            Self::Threefry => 1 << 64,
            Self::Philox => 1 << 59,
        }
    }

    /// One past the last index of a normal, of which a block has four: 2⁶⁴ for Threefry, 2⁵⁸ for Philox.
    pub const fn normal_end(self) -> u128 {
        match self {
            Self::Threefry => 1 << 64,
            Self::Philox => 1 << 58,
        }
    }

    /// Checks that the generator can address `count` normals from index `start` on.
    ///
    /// # Errors
    /// [`Error::IndexRange`] when one past the last index is past [`normal_end`](Self::normal_end).
    pub fn check_normals(self, start: u64, count: u64) -> Result<(), Error> {
        let limit = self.normal_end();
        if u128::from(start) + u128::from(count) > limit {
            return Err(Error::IndexRange { start, length: count, limit, generator: self });
        }
        Ok(())
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
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find("generator", name, Self::ALL, Self::name)
    }
}
