//! Where pretrained weights are, for each network: repository, licence, SHA-256, and how pictures were prepared.

use super::preparation::Preparation;
use crate::DataError;
use plusx_model::preprocess::Preset;

/// Where the weights of a network are.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PretrainedSource {
    /// The network's name in the zoo.
    pub model: &'static str,
    /// The repository on the hub.
    pub repository: &'static str,
    /// The licence it names.
    pub licence: &'static str,
    /// SHA-256 of its `model.safetensors`, lower-case hexadecimal, where it is known.
    pub sha256: Option<&'static str>,
    /// How pictures were prepared (timm's `crop_pct` and `interpolation` for 224 pixels, in its table of pretrained
    /// configurations).
    pub preparation: Preparation,
}

/// As timm evaluates its RA2 weights at 224 pixels: bicubic, 0.875 of the shorter side.
const TIMMS_WAY: Preparation = Preparation { preset: Some(Preset::Timm), kept: None };

/// As timm evaluates its A1 weights at 224 pixels: bicubic, 0.95 of the shorter side.
const TIMMS_A1_WAY: Preparation = Preparation { preset: Some(Preset::Timm), kept: Some(0.95) };

/// As torchvision evaluates its second weights: 0.965 of the shorter side.
const SECOND_WEIGHTS: Preparation = Preparation { preset: None, kept: Some(0.965) };

/// torchvision's weights carry the licence of its code.
const TORCHVISION: &str = "bsd-3-clause";

/// timm's own.
const TIMM: &str = "apache-2.0";

const fn source(
    model: &'static str,
    repository: &'static str,
    licence: &'static str,
    sha256: &'static str,
) -> PretrainedSource {
    PretrainedSource { model, repository, licence, sha256: Some(sha256), preparation: Preparation::USUAL }
}

impl PretrainedSource {
    /// The same, whose pictures were prepared so.
    const fn prepared(self, preparation: Preparation) -> Self {
        Self { preparation, ..self }
    }
}

/// Every ImageNet network of the zoo that timm has weights for: torchvision's first weights where their hash is known,
/// else its second or timm's own.
pub const SOURCES: [PretrainedSource; 13] = [
    source(
        "resnet18",
        "timm/resnet18.tv_in1k",
        TORCHVISION,
        "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
    ),
    source(
        "resnet34",
        "timm/resnet34.tv_in1k",
        TORCHVISION,
        "0bb82595a564991a9d424708b33f5d843f5aaed7f6c0886ff10849ff97022235",
    ),
    source(
        "resnet50",
        "timm/resnet50.tv_in1k",
        TORCHVISION,
        "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
    ),
    source(
        "resnet101",
        "timm/resnet101.a1_in1k",
        TIMM,
        "1ba5b660e7c175b3c27c557fc7dc8b2815be830c516815b0155f61b403f27380",
    )
    .prepared(TIMMS_A1_WAY),
    source(
        "resnet152",
        "timm/resnet152.tv_in1k",
        TORCHVISION,
        "15897077afdf4d6334dc0c3f8e6fb483afb3faa9298c139f3c6eb29bca6ae5b2",
    ),
    source(
        "wide_resnet50_2",
        "timm/wide_resnet50_2.tv_in1k",
        TORCHVISION,
        "df6fb6c4824769769de18e14088475fd6ee94236849aa4e5d8022ba9d9a9a16c",
    ),
    source(
        "wide_resnet101_2",
        "timm/wide_resnet101_2.tv2_in1k",
        TORCHVISION,
        "0438046a3b7bb8166e6564dec811985d595f3098c9970181305945e0efa964c3",
    )
    .prepared(SECOND_WEIGHTS),
    source(
        "resnext50_32x4d",
        "timm/resnext50_32x4d.tv_in1k",
        TORCHVISION,
        "c0d85cba49c0e9dedbcf6d4e572e2c5ea5eb68e9d64d0564811fd54d4f72939a",
    ),
    source(
        "resnext101_32x8d",
        "timm/resnext101_32x8d.tv_in1k",
        TORCHVISION,
        "71c7427e233904ad828b768b9683876dc71f143876cbadaa26428bfea3560fc3",
    ),
    source(
        "resnext101_64x4d",
        "timm/resnext101_64x4d.tv_in1k",
        TORCHVISION,
        "47528f24e5cd6844249c9e4ea11aed6619431b83a0596afe80efdfffdb369900",
    ),
    source(
        "resnet18d",
        "timm/resnet18d.ra2_in1k",
        TIMM,
        "0ad5d924c4269ad863590b6ccdd19f5fb48d0bae695c1dd6751de0b0282d8361",
    )
    .prepared(TIMMS_WAY),
    PretrainedSource {
        model: "resnet34d",
        repository: "timm/resnet34d.ra2_in1k",
        licence: TIMM,
        sha256: None,
        preparation: TIMMS_WAY,
    },
    source(
        "resnet50d",
        "timm/resnet50d.a1_in1k",
        TIMM,
        "0b4f757b0732eb4c6584d2c3692923c3b92efe116b8a383fd4b5eb62fda660cb",
    )
    .prepared(TIMMS_A1_WAY),
];

/// The source of a network's weights.
///
/// # Errors
/// [`DataError::UnknownWeights`] listing the names there are.
pub fn source_of(model: &str) -> Result<&'static PretrainedSource, DataError> {
    let known = || SOURCES.iter().map(|source| source.model.to_owned()).collect();
    let unknown = || DataError::UnknownWeights { model: model.to_owned(), known: known() };
    SOURCES.iter().find(|source| source.model == model).ok_or_else(unknown)
}
