//! From a spec to blocks: the stem, the stages, the classifier.

use super::spec::{Spec, Unit, ZooOptions};
use super::stems;
use super::units::{PostActivation, PreActivation, UnitPlace};
use crate::containers::{Residual, Sequential};
use crate::layers::{Activation, Dense, GlobalAvgPool2d};

impl Spec {
    /// The network.
    pub fn build(&self, options: ZooOptions) -> Sequential {
        let mut net = Sequential::new();
        stems::push(self, &mut net);
        for (index, &blocks) in self.stages.iter().enumerate() {
            net.push_named(format!("layer{}", index + 1), self.stage(index, blocks));
        }
        if self.unit.is_pre_activation() {
            // nothing has followed the last sum yet
            net.push_named("bn2", self.norm()).push_named("relu2", Activation::Relu);
        }
        net.add_named("avgpool", GlobalAvgPool2d::new()).add_named("fc", Dense::new(options.classes))
    }

    /// Stage `index`, counted from 0.
    fn stage(&self, index: usize, blocks: usize) -> Sequential {
        let mut stage = Sequential::new();
        for block in 0..blocks {
            let halves = index > 0 && block == 0;
            let place = UnitPlace {
                width: self.width << index,
                stride: if halves { 2 } else { 1 },
                // the stem has as many channels as the first stage, but for the factor of bottlenecks
                changes: halves || block == 0 && self.unit.expansion() > 1,
            };
            self.push_unit(&mut stage, place);
        }
        stage
    }

    fn push_unit(&self, stage: &mut Sequential, place: UnitPlace) {
        match self.unit {
            Unit::Chapter => {
                stage.push(Residual::new(place.width).use_1x1conv(place.changes).strides(place.stride))
            }
            Unit::Basic(shortcut) => stage.push(PostActivation::basic(place, shortcut)),
            Unit::Bottleneck { groups, base, shortcut } => {
                stage.push(PostActivation::bottleneck(place, [groups, base], shortcut))
            }
            Unit::PreBasic => stage.push(PreActivation::basic(place)),
            Unit::PreBottleneck => stage.push(PreActivation::bottleneck(place)),
        };
    }
}
