//! How far a run has come.

use serde::{Serialize, Serializer};

/// How far a run has come. Serialises as `[epoch, steps]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunPosition {
    /// The epoch that is under way, counted from 1.
    pub epoch: u32,
    /// Steps of it that are done.
    pub steps: u64,
}

impl RunPosition {
    /// Where one more step leads.
    pub(crate) fn next_step(self) -> Self {
        Self { steps: self.steps + 1, ..self }
    }
}

impl Serialize for RunPosition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.epoch, self.steps).serialize(serializer)
    }
}
