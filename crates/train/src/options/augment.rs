//! Options that say what is done to pictures at random. `docs/augmentation.md` says what each does.

use plusx_data::Policy;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// Two numbers, the smaller first: `0.08,1`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bounds(pub [f64; 2]);

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{}", self.0[0], self.0[1])
    }
}

impl std::str::FromStr for Bounds {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let wrong = || TrainError::option("scale", text, "two numbers with a comma between, as in 0.08,1");
        let numbers = numbers(text).ok_or_else(wrong)?;
        numbers.try_into().map(Self).map_err(|_| wrong())
    }
}

/// How far colours may move: brightness, contrast, saturation and hue.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ColorJitter(pub [f64; 4]);

impl std::fmt::Display for ColorJitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [b, c, s, h] = self.0;
        write!(f, "{b},{c},{s},{h}")
    }
}

impl std::str::FromStr for ColorJitter {
    type Err = TrainError;

    /// One number is that of the first three, as in timm; three or four name them.
    fn from_str(text: &str) -> Result<Self, TrainError> {
        match numbers(text).as_deref() {
            Some([one]) => Ok(Self([*one, *one, *one, 0.0])),
            Some([b, c, s]) => Ok(Self([*b, *c, *s, 0.0])),
            Some([b, c, s, h]) => Ok(Self([*b, *c, *s, *h])),
            _ => Err(TrainError::option(
                "color-jitter",
                text,
                "one number, three, or four, as in 0.4,0.4,0.4,0.1",
            )),
        }
    }
}

/// A policy by its name: `none`, `ta_wide`, `ra`, or `rand-m9-n2` as timm writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AugmentPolicy(pub Policy);

impl std::fmt::Display for AugmentPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Policy::None => f.write_str("none"),
            Policy::TrivialWide => f.write_str("ta_wide"),
            Policy::RandAugment { ops, magnitude } => write!(f, "rand-m{magnitude}-n{ops}"),
        }
    }
}

impl std::str::FromStr for AugmentPolicy {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let wanted = "none, ta_wide, ra, or rand-m9-n2: RandAugment of magnitude 9, 2 operations";
        let wrong = || TrainError::option("aa", text, wanted);
        Ok(Self(match text {
            "none" => Policy::None,
            "ta_wide" => Policy::TrivialWide,
            "ra" => Policy::RandAugment { ops: 2, magnitude: 9 },
            other => {
                let numbers =
                    other.strip_prefix("rand-m").and_then(|rest| rest.split_once("-n")).ok_or_else(wrong)?;
                let number = |text: &str| text.parse().map_err(|_| wrong());
                Policy::RandAugment { magnitude: number(numbers.0)?, ops: number(numbers.1)? }
            }
        }))
    }
}

/// Written and read as its text.
macro_rules! as_text {
    ($($type:ident),*) => {$(
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Bounds, ColorJitter, AugmentPolicy);

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for (given, shown) in
            [("none", "none"), ("ra", "rand-m9-n2"), ("ta_wide", "ta_wide"), ("rand-m5-n1", "rand-m5-n1")]
        {
            let policy: AugmentPolicy = given.parse().unwrap();
            assert_eq!(policy.to_string(), shown);
            assert_eq!(
                yaml_serde::from_str::<AugmentPolicy>(&yaml_serde::to_string(&policy).unwrap()).unwrap(),
                policy
            );
        }
        assert_eq!("0.08, 1".parse::<Bounds>().unwrap(), Bounds([0.08, 1.0]));
        assert_eq!("0.4".parse::<ColorJitter>().unwrap().to_string(), "0.4,0.4,0.4,0");
        assert_eq!("0.1,0.2,0.3,0.4".parse::<ColorJitter>().unwrap(), ColorJitter([0.1, 0.2, 0.3, 0.4]));
        assert!("0.1,0.2".parse::<ColorJitter>().is_err() && "1".parse::<Bounds>().is_err());
        assert!("rand-m9".parse::<AugmentPolicy>().is_err() && "auto".parse::<AugmentPolicy>().is_err());
    }
}
