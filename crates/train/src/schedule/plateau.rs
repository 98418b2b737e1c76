//! A rate that falls when the validation loss does not.

use serde::{Deserialize, Serialize};

/// How much smaller a loss must be to count as smaller, as a share: PyTorch's default.
const THRESHOLD: f64 = 1e-4;
/// A decay by less than this is not made: PyTorch's default.
const LEAST: f64 = 1e-8;

/// What PyTorch's `ReduceLROnPlateau` (mode `min`) is told.
pub(super) struct PlateauRule {
    /// A decay multiplies the rate by it.
    pub(super) factor: f64,
    /// Epochs without a smaller loss that are waited for; the next one decays.
    pub(super) patience: u32,
    /// No rate is smaller.
    pub(super) min_lr: f64,
}

/// What it knows.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plateau {
    /// The rate now.
    pub(crate) lr: f64,
    /// The smallest loss so far; none before the first epoch.
    best: Option<f64>,
    /// Epochs since then, or since the last decay.
    waited: u32,
}

impl Plateau {
    /// Before the first epoch.
    pub(super) fn new(lr: f64) -> Self {
        Self { lr, best: None, waited: 0 }
    }

    /// After an epoch that ended with `loss`.
    pub(super) fn after(self, loss: f64, rule: &PlateauRule) -> Self {
        if self.best.is_none_or(|best| loss < best * (1.0 - THRESHOLD)) {
            return Self { best: Some(loss), waited: 0, ..self };
        }
        let waited = self.waited + 1;
        if waited <= rule.patience {
            return Self { waited, ..self };
        }
        let lower = (self.lr * rule.factor).max(rule.min_lr);
        Self { lr: if self.lr - lower > LEAST { lower } else { self.lr }, waited: 0, ..self }
    }
}
