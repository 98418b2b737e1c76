//! Named sets of defaults. What they set stands in `recipes.yaml` beside this file.

use serde::{Deserialize, Serialize};
use yaml_serde::{Mapping, Value};

use crate::error::TrainError;

/// The table of recipes.
const TABLE: &str = include_str!("recipes.yaml");

/// A named set of defaults and habits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// The textbook chapter: plain SGD at 0.05, Xavier, 5 epochs of 256, weight decay (if any) on every parameter,
    /// and the summed gradient divided by the full batch size even for the smaller last batch.
    #[default]
    D2l,
    /// From random weights on a small data set.
    Small,
    /// From pretrained weights.
    Finetune,
    /// torchvision's training script with its defaults.
    Tv,
    /// torchvision's newer recipe.
    Tv2,
    /// timm's training script with its defaults.
    Timm,
}

impl Recipe {
    /// Every recipe, in the order of the table.
    pub const ALL: [Recipe; 6] =
        [Recipe::D2l, Recipe::Small, Recipe::Finetune, Recipe::Tv, Recipe::Tv2, Recipe::Timm];

    fn name(self) -> &'static str {
        match self {
            Recipe::D2l => "d2l",
            Recipe::Small => "small",
            Recipe::Finetune => "finetune",
            Recipe::Tv => "tv",
            Recipe::Tv2 => "tv2",
            Recipe::Timm => "timm",
        }
    }

    /// What it is and what it sets.
    ///
    /// # Errors
    /// [`TrainError::Option`] if the table inside the program is damaged.
    pub fn entry(self) -> Result<RecipeEntry, TrainError> {
        let damaged =
            || TrainError::option("recipe", self.name(), "the program's table of recipes is damaged");
        let rows: Vec<Row> = yaml_serde::from_str(TABLE).map_err(|_| damaged())?;
        let row = rows.into_iter().find(|row| row.name == self.name()).ok_or_else(damaged)?;
        let options = row.options.iter().map(|(key, value)| Some((word(key)?, word(value)?)));
        let options = options.collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
        let rate = row.lr_base.zip(row.lr_base_size).map(|(rate, images)| RateBase { rate, images });
        Ok(RecipeEntry { recipe: self, about: row.about, options, rate })
    }
}

/// A recipe with what it sets.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RecipeEntry {
    /// Which one.
    pub recipe: Recipe,
    /// What it is for.
    pub about: String,
    /// Keys of options, as in `args.yaml`, and their values as a command line has them.
    pub options: Vec<(String, String)>,
    /// What the learning rate follows from where neither it nor the recipe's batch size is kept.
    #[serde(rename = "lr_base", skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateBase>,
}

/// A learning rate in proportion to the batch size (Goyal et al. 2017, section 2.1).
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct RateBase {
    /// The rate.
    pub rate: f64,
    /// Images in a step that it is for.
    pub images: usize,
}

impl RateBase {
    /// The rate for steps of so many images.
    pub fn of(self, images: usize) -> f32 {
        (self.rate * images as f64 / self.images.max(1) as f64) as f32
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    about: String,
    #[serde(default)]
    lr_base: Option<f64>,
    #[serde(default)]
    lr_base_size: Option<usize>,
    options: Mapping,
}

/// A key or a value as a command line has it.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(value) => Some(value.clone()),
        _ => None,
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Recipe {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let found = Self::ALL.into_iter().find(|recipe| recipe.name() == text);
        found.ok_or_else(|| {
            TrainError::option("recipe", text, "d2l, small, finetune, tv, tv2 or timm (plusx recipes)")
        })
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_recipe_and_no_other() {
        let rows: Vec<Row> = yaml_serde::from_str(TABLE).unwrap();
        let names: Vec<String> = rows.into_iter().map(|row| row.name).collect();
        assert_eq!(names, Recipe::ALL.map(|recipe| recipe.to_string()));
        for recipe in Recipe::ALL {
            assert!(!recipe.entry().unwrap().options.is_empty());
            assert_eq!(recipe.to_string().parse::<Recipe>().unwrap(), recipe);
            assert_eq!(yaml_serde::to_string(&recipe).unwrap(), format!("{recipe}\n"));
        }
        // the rate of the table is that of its batch size
        for recipe in Recipe::ALL {
            let entry = recipe.entry().unwrap();
            let value = |key: &str| entry.options.iter().find(|(own, _)| own == key).unwrap().1.clone();
            let images = value("batch_size").parse().unwrap();
            assert!(entry.rate.is_none_or(|base| base.of(images).to_string() == value("lr")), "{recipe}");
        }
        let error = "best".parse::<Recipe>().unwrap_err().to_string();
        assert!(Recipe::ALL.iter().all(|recipe| error.contains(recipe.name())), "{error}");
    }
}
