//! How pictures were prepared for weights that somebody published.

use plusx_model::preprocess::{Preprocess, Preset, Resize, shorter_side};
use plusx_model::zoo::Spec;

/// How pictures were prepared for published weights, as far as that is not usual for their network.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Preparation {
    /// In whose way. `None`: as is usual for the network.
    pub preset: Option<Preset>,
    /// The part of the shorter side that is kept when the middle is cut out, above 0 and at most 1 (timm's `crop_pct`).
    /// `None`: as the preset has it.
    pub kept: Option<f64>,
}

impl Preparation {
    /// As is usual for the network.
    pub const USUAL: Self = Self { preset: None, kept: None };

    /// The record for the network `spec` and images of its own shape.
    pub fn record(&self, spec: &Spec) -> Preprocess {
        let mut record = self.preset.unwrap_or(spec.preset).record(spec.input);
        if let Some(kept) = self.kept {
            record.resize = Resize::Shorter(shorter_side(spec.input.h.max(spec.input.w), kept));
        }
        record
    }
}
