//! What to compare under which recipe: one plain record, `compare.yaml` in the comparison's folder.

use std::path::Path;

use plusx_data::Dataset;
use plusx_model::zoo;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::job::{epoch_images, samples};
use crate::options::{Overrides, TrainOptions};

/// Points of a curve if nobody says: enough to see a bend, few enough to cost little.
const POINTS: u64 = 20;

/// What to compare.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareOptions {
    /// Networks of the zoo, at least two, each once.
    pub models: Vec<String>,
    /// Runs of each network, from as many seeds; default 3.
    pub seeds: u32,
    /// The recipe of every run: `seed` is the first one, `output` and `name` the comparison's folder, `model` not looked
    /// at. Without `measure_every` a curve has about 20 points.
    pub train: TrainOptions,
}

impl Default for CompareOptions {
    /// The question of He et al. 2015, figure 6, for two depths and small pictures: 28x28, 750 steps of 120 images, learning
    /// rate 0.02, momentum 0.9, weight decay 1e-4, the test error inside an epoch of 2000 images. Half an hour on two cores.
    fn default() -> Self {
        let train = TrainOptions {
            output: "runs/compare".into(),
            resize: 28,
            batch_size: 120,
            lr: 0.02,
            momentum: 0.9,
            weight_decay: 1e-4,
            max_steps: Some(750),
            measure_every: Some(50),
            measure_limit: Some(2000),
            ..TrainOptions::default()
        };
        let models = ["plain20", "plain56", "resnet20", "resnet56"];
        Self { models: models.map(str::to_owned).into(), seeds: 3, train }
    }
}

impl CompareOptions {
    /// Refuses values that make no sense, naming the option.
    pub fn check(&self) -> Result<(), TrainError> {
        let fail = |wanted| Err(TrainError::option("models", &self.models.join(","), wanted));
        for (index, model) in self.models.iter().enumerate() {
            zoo::find(model)?;
            if self.models[..index].contains(model) {
                return fail("name each network once");
            }
        }
        if self.models.len() < 2 {
            return fail("a comparison needs at least two networks, as in --models plain20,plain56");
        }
        if self.seeds == 0 || self.train.seed.checked_add(self.seeds - 1).is_none() {
            let wanted = "at least 1, and the last seed at most 4294967295";
            return Err(TrainError::option("seeds", &self.seeds.to_string(), wanted));
        }
        if self.train.exist_ok {
            return Err(TrainError::option("exist-ok", "true", "a comparison never replaces another"));
        }
        self.train.check()
    }

    /// Seeds of the runs of each network.
    pub(super) fn seeds(&self) -> impl Iterator<Item = u32> + use<> {
        let (first, count) = (self.train.seed, self.seeds);
        (0..count).map(move |index| first.wrapping_add(index))
    }

    /// The options of one run; its folder stands in `folder`.
    pub(super) fn run(&self, model: &str, seed: u32, folder: &Path) -> TrainOptions {
        TrainOptions {
            model: model.into(),
            seed,
            output: folder.into(),
            name: Some(format!("{model}-seed{seed}")),
            // a process killed while it made the folder has left one without options
            exist_ok: true,
            ..self.train.clone()
        }
    }

    /// The same, with points on the curves if nobody said how many.
    pub(super) fn settled(&self, dataset: &Dataset) -> Self {
        let every = self.train.measure_every.unwrap_or_else(|| {
            let images = epoch_images(&self.train, samples(&*dataset.train, &self.train).len());
            let epoch = images.div_ceil(self.train.images_per_step()) as u64;
            let all = epoch.saturating_mul(u64::from(self.train.all_epochs()));
            let all = self.train.max_steps.map_or(all, |max| max.min(all));
            // in equal parts of an epoch, because there is a point at its end
            let parts = (POINTS * epoch).div_ceil(all.max(1)).max(1);
            epoch.min(all).div_ceil(parts.min(POINTS)).max(1)
        });
        Self { train: TrainOptions { measure_every: Some(every), ..self.train.clone() }, ..self.clone() }
    }
}

/// What a command line says: only what was given.
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the fields are those of CompareOptions
pub struct CompareOverrides {
    pub models: Option<Vec<String>>,
    pub seeds: Option<u32>,
    pub train: Overrides,
}

impl CompareOverrides {
    /// The options of a new comparison. Without any option of the recipe that is [`CompareOptions::default`]'s; with one of
    /// them, the others are those of [`TrainOptions::default`], so that a run is the one that the same options make alone.
    pub fn resolve(&self) -> Result<CompareOptions, TrainError> {
        let default = CompareOptions::default();
        let output = self.train.output.clone().unwrap_or(default.train.output.clone());
        let train = match self.train.is_of_recipe() {
            true => self.train.resolve()?,
            false => self.train.over(default.train)?,
        };
        let options = CompareOptions {
            models: self.models.clone().unwrap_or(default.models),
            seeds: self.seeds.unwrap_or(default.seeds),
            // a recipe may stop early, but the runs of a comparison are of one length
            train: TrainOptions { output, patience: None, min_delta: 0.0, ..train },
        };
        options.check()?;
        Ok(options)
    }

    /// The options of one that goes on: those it was begun with, but for the machine's and the place of the data.
    pub(super) fn resume(&self, saved: &CompareOptions) -> Result<CompareOptions, TrainError> {
        let other = [
            ("models", self.models.as_ref().map(|given| given.join(",")), saved.models.join(",")),
            ("seeds", self.seeds.as_ref().map(u32::to_string), saved.seeds.to_string()),
        ];
        let train = self.train.keep(&saved.train);
        for (option, given, saved) in other {
            if let Some(given) = given.filter(|given| *given != saved) {
                let may_change = crate::options::may_change_in_comparison();
                return Err(TrainError::ComparisonChanged {
                    option: option.into(),
                    saved,
                    given,
                    may_change,
                });
            }
        }
        match train {
            Err(TrainError::ResumeChanged { option, saved, given, may_change }) => {
                Err(TrainError::ComparisonChanged { option, saved, given, may_change })
            }
            train => Ok(CompareOptions { train: train?, ..saved.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_options_of_the_recipe_it_is_the_documented_comparison() {
        let resolve =
            |train: Overrides| CompareOverrides { train, ..CompareOverrides::default() }.resolve().unwrap();
        assert_eq!(resolve(Overrides::default()), CompareOptions::default());
        // what is no part of the recipe leaves it
        let aside =
            Overrides { seed: Some(7), threads: Some(2), measure_every: Some(10), ..Overrides::default() };
        let options = resolve(aside);
        assert_eq!((options.train.resize, options.train.max_steps, options.train.seed), (28, Some(750), 7));
        assert_eq!((options.train.measure_every, options.train.measure_limit), (Some(10), Some(2000)));
        // a run is the one that train makes of the same options
        let given = Overrides { lr: Some(0.1), ..Overrides::default() };
        let alone = TrainOptions { output: "runs/compare".into(), ..given.resolve().unwrap() };
        assert_eq!(resolve(given).train, alone);
    }
}
