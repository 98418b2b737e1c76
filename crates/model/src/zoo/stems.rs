//! How networks begin: from images to the value that the first stage reads.
//!
//! [`Stem::Normalized`] follows Gluon's model zoo, whose pre-activation networks begin with a batch norm of the images
//! and have one behind the stem's convolution, too. Here it is called `bn0`, the stem's `bn1`, the one behind the last
//! stage `bn2`. Gluon fixes scale and shift of the first at 1 and 0; here they learn, like all others.

use super::spec::{Spec, Stem};
use crate::containers::Sequential;
use crate::layers::{Activation, Conv2d, MaxPool2d};

/// Appends the stem of `spec`.
pub(super) fn push(spec: &Spec, net: &mut Sequential) {
    let width = spec.width;
    let large = Conv2d::new(width, 7).strides(2).padding(3);
    let small = Conv2d::new(width, 3).padding(1);
    match spec.stem {
        Stem::Chapter => net.push_named("conv1", large),
        Stem::ChapterSmall => net.push_named("conv1", small),
        Stem::Large => net.push_named("conv1", large.bias(false)),
        Stem::Small => net.push_named("conv1", small.bias(false)),
        Stem::Deep => net.push_named("conv1", deep(spec)),
        Stem::Normalized => net.push_named("bn0", spec.norm()).push_named("conv1", large.bias(false)),
    };
    net.push_named("bn1", spec.norm()).push_named("relu", Activation::Relu);
    match spec.stem {
        Stem::ChapterSmall | Stem::Small => {}
        Stem::Chapter | Stem::Large | Stem::Deep | Stem::Normalized => {
            net.push_named("maxpool", MaxPool2d::new(3).strides(2).padding(1));
        }
    }
}

/// Three convolutions; the batch norm and the ReLU behind the last are those of every stem.
fn deep(spec: &Spec) -> Sequential {
    let conv = |channels| Conv2d::new(channels, 3).padding(1).bias(false);
    let half = spec.width / 2;
    Sequential::new()
        .add(conv(half).strides(2))
        .add(spec.norm())
        .add(Activation::Relu)
        .add(conv(half))
        .add(spec.norm())
        .add(Activation::Relu)
        .add(conv(spec.width))
}
