//! Options that are words: how the learning rate goes over a run, and what its steps are made of.

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// Values that have names: reads and shows them.
macro_rules! words {
    ($type:ident, $option:literal, $wanted:literal; $($variant:ident $word:literal),*) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $($type::$variant => $word,)* })
            }
        }

        impl std::str::FromStr for $type {
            type Err = TrainError;

            fn from_str(text: &str) -> Result<Self, TrainError> {
                match text {
                    $($word => Ok($type::$variant),)*
                    other => Err(TrainError::option($option, other, $wanted)),
                }
            }
        }
    };
}

/// How the learning rate goes over a run, after the warm-up. The formulas are in docs/training.md.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sched {
    /// It stays.
    #[default]
    Constant,
    /// It is multiplied by the decay rate after every so many epochs.
    Step,
    /// It is multiplied by the decay rate after the named epochs.
    MultiStep,
    /// Half a cosine from the rate to the smallest one (Loshchilov & Hutter 2017, "SGDR", equation 5, without restarts).
    Cosine,
    /// A power of what is left of the time, as timm's.
    Poly,
    /// A hyperbolic tangent (Hsueh et al. 2019, "Stochastic gradient descent with hyperbolic-tangent decay on classification"), as
    /// timm's.
    Tanh,
    /// Up and down once (Smith & Topin 2018, "Super-convergence"), as PyTorch's `OneCycleLR`.
    OneCycle,
    /// It is multiplied by the decay rate when the validation loss falls no more, as PyTorch's `ReduceLROnPlateau`.
    Plateau,
}

words! { Sched, "sched", "constant, step, multistep, cosine, poly, tanh, onecycle or plateau";
    Constant "constant", Step "step", MultiStep "multistep", Cosine "cosine", Poly "poly", Tanh "tanh", OneCycle "onecycle",
    Plateau "plateau"
}

impl Sched {
    /// Whether it comes down to the smallest rate within `epochs`: those to which timm's cool-down adds epochs.
    pub(crate) fn comes_down(self) -> bool {
        matches!(self, Sched::Cosine | Sched::Poly | Sched::Tanh)
    }
}

/// How the parameters of a network begin that starts from no weights.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum FirstValues {
    /// Gluon's `Xavier()`, as in the textbook chapter.
    #[default]
    #[serde(rename = "xavier")]
    Xavier,
    /// As torchvision's residual networks: [`Init::Kaiming`](plusx_model::init::Init::Kaiming).
    #[serde(rename = "kaiming")]
    Kaiming,
    /// The same, and the last norm of each path around which there is a shortcut begins at 0, as in timm.
    #[serde(rename = "kaiming-zero")]
    KaimingZero,
}

words! { FirstValues, "init", "xavier, kaiming or kaiming-zero";
    Xavier "xavier", Kaiming "kaiming", KaimingZero "kaiming-zero"
}

/// How often a schedule sets the rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchedPer {
    /// At every step.
    #[default]
    Step,
    /// At the beginning of every epoch.
    Epoch,
}

words! { SchedPer, "sched-per", "step or epoch"; Step "step", Epoch "epoch" }

/// Which samples an epoch learns from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// Each once.
    #[default]
    Shuffle,
    /// As many, drawn so that each class is as likely as any other.
    Balanced,
}

words! { Sampler, "sampler", "shuffle or balanced"; Shuffle "shuffle", Balanced "balanced" }

/// What the summed gradient of a batch is divided by that has fewer images than the others, as the last of an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LastBatchScale {
    /// The batch size, as in the textbook chapter: it makes a shorter step.
    #[default]
    Full,
    /// Its own number of images, as in PyTorch: each of them weighs more.
    Actual,
}

words! { LastBatchScale, "last-batch-scale", "full or actual"; Full "full", Actual "actual" }

/// The rule by which gradients change the parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Opt {
    /// Gradient descent, with momentum if there is any.
    #[default]
    Sgd,
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019), with PyTorch's betas and eps.
    AdamW,
}

words! { Opt, "opt", "sgd or adamw"; Sgd "sgd", AdamW "adamw" }

/// Epochs after which the rate is multiplied by the decay rate, ascending. Written `30,60`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Milestones(Vec<u32>);

impl Milestones {
    /// The epochs.
    pub fn epochs(&self) -> &[u32] {
        &self.0
    }
}

impl std::fmt::Display for Milestones {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let epochs: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&epochs.join(","))
    }
}

impl std::str::FromStr for Milestones {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let epochs: Option<Vec<u32>> = text.split(',').map(|epoch| epoch.trim().parse().ok()).collect();
        let ascending = |epochs: &Vec<u32>| epochs[0] > 0 && epochs.windows(2).all(|two| two[0] < two[1]);
        epochs.filter(ascending).map(Milestones).ok_or_else(|| {
            TrainError::option("decay-milestones", text, "ascending epochs with commas between, as in 30,60")
        })
    }
}

impl Serialize for Milestones {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Milestones {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["constant", "step", "multistep", "cosine", "poly", "tanh", "onecycle", "plateau"] {
            let sched: Sched = text.parse().unwrap();
            assert_eq!(sched.to_string(), text);
            assert_eq!(yaml_serde::to_string(&sched).unwrap(), format!("{text}\n"));
        }
        for text in ["xavier", "kaiming", "kaiming-zero"] {
            let values: FirstValues = text.parse().unwrap();
            assert_eq!(values.to_string(), text);
            assert_eq!(yaml_serde::to_string(&values).unwrap(), format!("{text}\n"));
        }
        let milestones: Milestones = "3, 7,20".parse().unwrap();
        assert_eq!((milestones.epochs(), milestones.to_string().as_str()), (&[3, 7, 20][..], "3,7,20"));
        let text = yaml_serde::to_string(&milestones).unwrap();
        assert_eq!(yaml_serde::from_str::<Milestones>(&text).unwrap(), milestones);
        for text in ["", "3,", "7,3", "3,3", "0,3", "-1"] {
            assert!(text.parse::<Milestones>().is_err(), "{text}");
        }
    }
}
