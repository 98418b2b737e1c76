//! Named sets of defaults.

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// A named set of defaults and habits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// The textbook chapter: plain SGD at 0.05, Xavier, 5 epochs of 256, weight decay (if any) on every parameter,
    /// and the summed gradient divided by the full batch size even for the smaller last batch.
    #[default]
    D2l,
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Recipe::D2l => f.write_str("d2l"),
        }
    }
}

impl std::str::FromStr for Recipe {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        match text {
            "d2l" => Ok(Recipe::D2l),
            other => Err(TrainError::option("recipe", other, "the only recipe so far is `d2l`")),
        }
    }
}
