//! How precisely the products of convolutions and dense layers are computed.

use std::fmt;
use std::str::FromStr;

use plusx_kernels::conv::tiles::Pieces;

use crate::plan::ElementType;

/// How precisely products are computed. The words are those of PyTorch's `torch.set_float32_matmul_precision`.
///
/// Sums, statistics, weights and updates are `f32` whatever it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Precision {
    /// Products of `f32` numbers.
    #[default]
    Highest,
    /// Each number of a product is the sum of two bf16 values, and three of their four products are added. A product is off by
    /// about 2^-16 of itself, an output by much less, because errors of both signs meet in it. The units of tiles of Intel's
    /// servers (`amx`) do it faster than `f32`; other machines give the same bytes, more slowly than at `Highest`.
    High,
    /// Each number of a product is one bf16 value, and maps and their gradients are stored as bf16. An output is off by some
    /// thousandths of the largest.
    Medium,
}

impl Precision {
    /// All of them, the most precise first.
    pub const ALL: [Self; 3] = [Self::Highest, Self::High, Self::Medium];

    /// `highest`, `high`, `medium`: as `--precision` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Highest => "highest",
            Self::High => "high",
            Self::Medium => "medium",
        }
    }

    /// At least as precise as a proof that two networks compute the same needs: `Medium` rounds more than a mistake may change.
    #[must_use]
    pub fn for_a_proof(self) -> Self {
        match self {
            Self::Highest => Self::Highest,
            Self::High | Self::Medium => Self::High,
        }
    }

    /// How many bf16 values stand for a number of a product on tiles; none: products are not computed on tiles.
    pub(crate) fn pieces(self) -> Option<Pieces> {
        match self {
            Self::Highest => None,
            Self::High => Some(Pieces::Two),
            Self::Medium => Some(Pieces::One),
        }
    }

    /// What maps and their gradients are stored as.
    pub(crate) fn maps(self) -> ElementType {
        match self {
            Self::Highest | Self::High => ElementType::F32,
            Self::Medium => ElementType::Bf16,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|one| one.name() == text);
        known.ok_or_else(|| "use highest, high or medium".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for precision in Precision::ALL {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        assert_eq!("half".parse::<Precision>(), Err("use highest, high or medium".to_owned()));
        assert_eq!(Precision::default(), Precision::Highest);
    }
}
