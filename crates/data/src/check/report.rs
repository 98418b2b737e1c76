//! What a check is asked, and what it answers.

use super::finding::{CheckFinding, FindingKind};

/// What [`check`](super::check()) is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckOptions {
    /// Threads that decode, not zero. Each holds one picture. The report does not depend on it. Default: 1.
    pub threads: usize,
    /// A picture with a shorter side is remarked upon, in pixels. Default: 32.
    pub side: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { threads: 1, side: 32 }
    }
}

/// The pictures of one split.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SplitCounts {
    /// `train`, `val` or `test`.
    pub name: &'static str,
    /// Pictures that can be read, of each class.
    pub counts: Vec<usize>,
}

/// What is in a data set, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckReport {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The splits, that to learn from first.
    pub splits: Vec<SplitCounts>,
    /// Pictures that can be read.
    pub readable: usize,
    /// What was found, the most important kind first; of one kind in the order of the data set.
    pub findings: Vec<CheckFinding>,
}

impl CheckReport {
    /// The findings of one kind.
    pub fn of_kind(&self, kind: FindingKind) -> &[CheckFinding] {
        let start = self.findings.partition_point(|finding| finding.kind < kind);
        let end = self.findings.partition_point(|finding| finding.kind <= kind);
        &self.findings[start..end]
    }

    /// Whether there is anything that should be mended before a network learns from the set.
    pub fn must_be_mended(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.must_be_mended())
    }
}
