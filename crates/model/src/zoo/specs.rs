//! The table of networks.

use super::spec::{Naming, Shortcut, Spec, Stem, Unit};
use crate::image_shape::ImageShape;
use crate::preprocess::Preset;

/// Every network the zoo has. `plusx models` shows the parameters, multiply-accumulates and inputs of all.
pub const SPECS: &[Spec] = &[
    // d2l: the chapter's network, and the one in the book's library for small pictures (`d2lzh.resnet18`)
    CHAPTER,
    Spec { name: "resnet18-d2lzh", input: ImageShape::new(1, 28, 28), stem: Stem::ChapterSmall, ..CHAPTER },
    // torchvision: He et al. 2015, table 1, with the stride of bottlenecks in their 3x3 convolution; Zagoruyko &
    // Komodakis 2016, "Wide residual networks"; Xie et al. 2017
    imagenet("resnet18", &[2, 2, 2, 2], BASIC),
    imagenet("resnet34", &[3, 4, 6, 3], BASIC),
    imagenet("resnet50", &[3, 4, 6, 3], bottleneck(1, 64)),
    imagenet("resnet101", &[3, 4, 23, 3], bottleneck(1, 64)),
    imagenet("resnet152", &[3, 8, 36, 3], bottleneck(1, 64)),
    imagenet("wide_resnet50_2", &[3, 4, 6, 3], bottleneck(1, 128)),
    imagenet("wide_resnet101_2", &[3, 4, 23, 3], bottleneck(1, 128)),
    imagenet("resnext50_32x4d", &[3, 4, 6, 3], bottleneck(32, 4)),
    imagenet("resnext101_32x8d", &[3, 4, 23, 3], bottleneck(32, 8)),
    Spec { preset: Preset::ImagenetV2, ..imagenet("resnext101_64x4d", &[3, 4, 23, 3], bottleneck(64, 4)) },
    // timm: ResNet-D of He et al. 2018, "Bag of tricks for image classification"
    tweaked("resnet18d", &[2, 2, 2, 2], Unit::Basic(Shortcut::Pooled)),
    tweaked("resnet34d", &[3, 4, 6, 3], Unit::Basic(Shortcut::Pooled)),
    tweaked("resnet50d", &[3, 4, 6, 3], Unit::Bottleneck { groups: 1, base: 64, shortcut: Shortcut::Pooled }),
    // He et al. 2016, "Identity mappings in deep residual networks", as Gluon's model_zoo has them: see `stems`
    identity("resnet18v2", &[2, 2, 2, 2], Unit::PreBasic),
    identity("resnet34v2", &[3, 4, 6, 3], Unit::PreBasic),
    identity("resnet50v2", &[3, 4, 6, 3], Unit::PreBottleneck),
    identity("resnet101v2", &[3, 4, 23, 3], Unit::PreBottleneck),
    identity("resnet152v2", &[3, 8, 36, 3], Unit::PreBottleneck),
    // He et al. 2015, section 4.2: for CIFAR, 6n + 2 layers, with option A, then ("-b") with projections
    cifar("resnet20", &[3, 3, 3], Shortcut::Padded),
    cifar("resnet32", &[5, 5, 5], Shortcut::Padded),
    cifar("resnet44", &[7, 7, 7], Shortcut::Padded),
    cifar("resnet56", &[9, 9, 9], Shortcut::Padded),
    cifar("resnet110", &[18, 18, 18], Shortcut::Padded),
    cifar("resnet20-b", &[3, 3, 3], Shortcut::Projection),
    cifar("resnet32-b", &[5, 5, 5], Shortcut::Projection),
    cifar("resnet44-b", &[7, 7, 7], Shortcut::Projection),
    cifar("resnet56-b", &[9, 9, 9], Shortcut::Projection),
    cifar("resnet110-b", &[18, 18, 18], Shortcut::Projection),
    // their plain twins, without any shortcut: what the paper compares with
    Spec { names: Naming::Plusx, ..imagenet("plain18", &[2, 2, 2, 2], Unit::Basic(Shortcut::Missing)) },
    Spec { names: Naming::Plusx, ..imagenet("plain34", &[3, 4, 6, 3], Unit::Basic(Shortcut::Missing)) },
    cifar("plain20", &[3, 3, 3], Shortcut::Missing),
    cifar("plain32", &[5, 5, 5], Shortcut::Missing),
    cifar("plain44", &[7, 7, 7], Shortcut::Missing),
    cifar("plain56", &[9, 9, 9], Shortcut::Missing),
];

const CHAPTER: Spec = Spec {
    name: "resnet18-d2l",
    input: ImageShape::new(1, 96, 96),
    classes: 10,
    width: 64,
    stem: Stem::Chapter,
    stages: &[2, 2, 2, 2],
    unit: Unit::Chapter,
    names: Naming::D2l,
    preset: Preset::D2l,
};

const BASIC: Unit = Unit::Basic(Shortcut::Projection);

const fn bottleneck(groups: usize, base: usize) -> Unit {
    Unit::Bottleneck { groups, base, shortcut: Shortcut::Projection }
}

/// For ImageNet, as torchvision has it.
const fn imagenet(name: &'static str, stages: &'static [usize], unit: Unit) -> Spec {
    Spec {
        name,
        input: ImageShape::new(3, 224, 224),
        classes: 1000,
        width: 64,
        stem: Stem::Large,
        stages,
        unit,
        names: Naming::Torchvision,
        preset: Preset::Imagenet,
    }
}

/// With deep stem and pooled shortcuts.
const fn tweaked(name: &'static str, stages: &'static [usize], unit: Unit) -> Spec {
    Spec { stem: Stem::Deep, names: Naming::Timm, preset: Preset::Timm, ..imagenet(name, stages, unit) }
}

/// With pre-activation.
const fn identity(name: &'static str, stages: &'static [usize], unit: Unit) -> Spec {
    Spec { stem: Stem::Normalized, names: Naming::Plusx, ..imagenet(name, stages, unit) }
}

/// For CIFAR-10.
const fn cifar(name: &'static str, stages: &'static [usize], shortcut: Shortcut) -> Spec {
    Spec {
        name,
        input: ImageShape::new(3, 32, 32),
        classes: 10,
        width: 16,
        stem: Stem::Small,
        stages,
        unit: Unit::Basic(shortcut),
        names: Naming::Plusx,
        preset: Preset::Cifar10,
    }
}
