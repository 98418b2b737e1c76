//! What a file does to the values of its images before the network begins.

/// `scale x + shift`, per channel.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Scaling {
    pub(super) scale: Vec<f64>,
    pub(super) shift: Vec<f64>,
}

impl Scaling {
    /// What changes nothing.
    pub(super) fn none(channels: usize) -> Self {
        Self { scale: vec![1.0; channels], shift: vec![0.0; channels] }
    }

    /// Whether it changes nothing.
    pub(super) fn is_none(&self) -> bool {
        self.scale.iter().all(|scale| *scale == 1.0) && self.shift.iter().all(|shift| *shift == 0.0)
    }

    /// This, then another.
    pub(super) fn then(&self, scale: &[f64], shift: &[f64]) -> Self {
        let both = scale.iter().zip(shift);
        let shifted = self.shift.iter().zip(both).map(|(own, (scale, shift))| own * scale + shift);
        let scaled = self.scale.iter().zip(scale).map(|(own, scale)| own * scale);
        Self { scale: scaled.collect(), shift: shifted.collect() }
    }
}
