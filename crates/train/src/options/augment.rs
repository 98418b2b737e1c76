//! Options that say what is done to pictures at random. `docs/augmentation.md` says what each does.

use plusx_data::{Augment, Crop, EraseWith, Mix, Policy, Warp};
use serde::{Deserialize, Serialize};

use super::table::TrainOptions;
use crate::error::TrainError;

/// The ratio of width to height that goes with `--scale` alone, torchvision's.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

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

impl TrainOptions {
    /// What is done to the pictures that are learnt from; `None`: what is done to those that are evaluated.
    pub fn augment(&self) -> Option<Augment> {
        let crop = self.scale.map_or(Crop::Center, |Bounds(scale)| Crop::RandomResized {
            scale,
            ratio: self.ratio.map_or(RATIO, |ratio| ratio.0),
        });
        let augment = Augment {
            crop,
            hflip: f64::from(self.hflip),
            vflip: f64::from(self.vflip),
            jitter: self.color_jitter.map_or([0.0; 4], |jitter| jitter.0),
            rotation: f64::from(self.rotation),
            policy: self.aa.0,
            // as torchvision's reference training passes it
            warp: Warp::Bilinear,
            erase: f64::from(self.reprob),
            erase_with: EraseWith::Zero,
        };
        let off = Augment { warp: Warp::Bilinear, ..Augment::default() };
        (augment != off).then_some(augment)
    }

    /// How batches are mixed.
    pub fn mix(&self) -> Mix {
        Mix { mixup: f64::from(self.mixup), cutmix: f64::from(self.cutmix), ..Mix::default() }
    }
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

    #[test]
    fn options_make_a_record_and_none_make_none() {
        let none = TrainOptions::default();
        assert_eq!(none.augment(), None);
        let some = TrainOptions { scale: Some(Bounds([0.5, 1.0])), hflip: 0.5, ..none.clone() };
        let augment = some.augment().unwrap();
        assert_eq!(augment.crop, Crop::RandomResized { scale: [0.5, 1.0], ratio: RATIO });
        augment.check().unwrap();
        for wrong in [
            TrainOptions { scale: Some(Bounds([1.0, 0.5])), ..none.clone() },
            TrainOptions { hflip: 1.5, ..none.clone() },
            TrainOptions { ratio: Some(Bounds([1.0, 1.0])), ..none.clone() },
            TrainOptions { color_jitter: Some(ColorJitter([0.0, 0.0, 0.0, 0.6])), ..none.clone() },
            TrainOptions { aa: "rand-m31-n2".parse().unwrap(), ..none.clone() },
            TrainOptions { cutmix: -1.0, ..none.clone() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
