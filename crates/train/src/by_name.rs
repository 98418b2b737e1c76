//! Values that `args.yaml` writes by their names: how serde reads and writes them, and what may stand before them.

/// A text without the byte-order mark that some editors put before it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// `isa` in `args.yaml`: a name, or `auto`.
pub(crate) mod level {
    use plusx_engine::Level;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(level: &Option<Level>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(level.map_or("auto", Level::name))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Level>, D::Error> {
        let name = String::deserialize(deserializer)?;
        match Level::ALL.into_iter().find(|level| level.name() == name) {
            None if name != "auto" => Err(D::Error::custom(format!("no instruction-set level `{name}`"))),
            level => Ok(level),
        }
    }
}

/// `precision` in `args.yaml`: a name.
pub(crate) mod precision {
    use plusx_engine::Precision;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(precision: &Precision, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(precision.name())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Precision, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// `input` in `args.yaml`: "3x96x96", or nothing.
pub(crate) mod shape {
    use plusx_model::shape::ImageShape;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(
        shape: &Option<ImageShape>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        shape.map(|shape| shape.to_string()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ImageShape>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// An interpolation by its name.
pub(crate) mod interpolation {
    use plusx_model::preprocess::Interpolation;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &Interpolation, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Interpolation, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
