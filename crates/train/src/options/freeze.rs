//! Options of transfer learning: which part of a network stays as it is, and whether its values are kept.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::TrainError;

/// Which part of the network does not learn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Freeze {
    /// None: everything learns.
    #[default]
    None,
    /// All but the classifier, its last dense layer.
    Backbone,
    /// The first so many stages. The stem is the first, `layer1` the second.
    Stages(u32),
    /// All batch norms: scale, shift and running statistics.
    Norms,
}

impl std::fmt::Display for Freeze {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Freeze::None => f.write_str("none"),
            Freeze::Backbone => f.write_str("backbone"),
            Freeze::Stages(stages) => write!(f, "{stages}"),
            Freeze::Norms => f.write_str("bn"),
        }
    }
}

impl std::str::FromStr for Freeze {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        match text {
            "none" => Ok(Freeze::None),
            "backbone" => Ok(Freeze::Backbone),
            "bn" => Ok(Freeze::Norms),
            number => match number.parse() {
                Ok(stages) if stages > 0 => Ok(Freeze::Stages(stages)),
                _ => Err(TrainError::option("freeze", text, "backbone, bn, none, or a number of stages")),
            },
        }
    }
}

impl Serialize for Freeze {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Freeze {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether the values that a frozen part gives for the pictures are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheFeatures {
    /// Where there is such a part, its values take at most 4 GB, and batches are not mixed.
    #[default]
    Auto,
    /// Yes.
    On,
    /// No: they are computed for every image of every epoch.
    Off,
}

impl std::fmt::Display for CacheFeatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CacheFeatures::Auto => "auto",
            CacheFeatures::On => "on",
            CacheFeatures::Off => "off",
        })
    }
}

impl std::str::FromStr for CacheFeatures {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        match text {
            "auto" => Ok(CacheFeatures::Auto),
            "on" => Ok(CacheFeatures::On),
            "off" => Ok(CacheFeatures::Off),
            other => Err(TrainError::option("cache-features", other, "auto, on or off")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frozen_is_read_as_it_is_written() {
        for freeze in [Freeze::None, Freeze::Backbone, Freeze::Stages(3), Freeze::Norms] {
            assert_eq!(freeze.to_string().parse::<Freeze>().unwrap(), freeze);
            let yaml = yaml_serde::to_string(&freeze).unwrap();
            assert_eq!(yaml_serde::from_str::<Freeze>(&yaml).unwrap(), freeze);
        }
        for wrong in ["", "0", "-1", "layer1", "1.5"] {
            let error = wrong.parse::<Freeze>().unwrap_err().to_string();
            assert!(error.contains("--freeze"), "{error}");
        }
    }
}
