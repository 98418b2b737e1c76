//! Instruction-set levels and their detection.

use std::fmt;

/// Instructions a kernel may use; ordered, each includes the ones before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// Whatever the target guarantees; LLVM vectorises plain loops.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, VL, BW and DQ.
    Avx512,
    /// AVX-512, and AMX with bf16 tiles which the system lets this process use.
    Amx,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Level; 4] = [Level::Portable, Level::Avx2, Level::Avx512, Level::Amx];

    /// The best level of this machine.
    pub fn detect() -> Self {
        Self::ALL.into_iter().rev().find(|level| level.supported()).unwrap_or(Level::Portable)
    }

    /// Whether this machine has the instructions.
    pub fn supported(self) -> bool {
        match self {
            Level::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                Level::Avx2.supported()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(target_arch = "x86_64")]
            Level::Amx => Level::Avx512.supported() && crate::simd::has_tiles(),
            #[cfg(not(target_arch = "x86_64"))]
            Level::Avx2 | Level::Avx512 | Level::Amx => false,
        }
    }

    /// `portable`, `avx2`, `avx512`, `amx`: as `--isa` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Amx => "amx",
        }
    }

    /// The arithmetic profile: levels of one profile give the same bytes.
    pub fn profile(self) -> &'static str {
        match self {
            Level::Portable => "mul-add",
            Level::Avx2 | Level::Avx512 | Level::Amx => "fma",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The level after this one. A new level does not compile here: it goes into this chain, and then into `ALL`.
    fn next(level: Level) -> Option<Level> {
        match level {
            Level::Portable => Some(Level::Avx2),
            Level::Avx2 => Some(Level::Avx512),
            Level::Avx512 => Some(Level::Amx),
            Level::Amx => None,
        }
    }

    #[test]
    fn all_holds_every_level_lowest_first() {
        let chain: Vec<Level> = std::iter::successors(Some(Level::Portable), |&level| next(level)).collect();
        assert_eq!(Level::ALL.as_slice(), chain);
        assert!(Level::ALL.is_sorted());
    }
}
