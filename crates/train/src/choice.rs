//! The recipe of a run for which none was named, chosen from what there is: weights to start from, the size of the pictures, how
//! many there are.
//!
//! | | chosen |
//! |---|---|
//! | weights to start from | `finetune`; the weights decide network and size |
//! | none, pictures of up to 40 pixels | `small`: `resnet20` at their own size |
//! | none, larger ones | `small`: `resnet18` at up to 128 pixels, ImageNet's mean and standard deviation |
//! | none, in colour | flips of left and right; of larger pictures a random part as well |
//! | none, N pictures | 600,000 / N epochs, at least 10, at most 100; batches of 32 below 1,000 pictures |
//!
//! What is given goes before all of it.

use plusx_data::{Dataset, Samples};
use plusx_model::preprocess::Preset;
use plusx_model::words::counted;

use crate::error::TrainError;
use crate::options::{Bounds, Overrides, Recipe, TrainOptions};
use crate::pictures::Pictures;

/// Pictures looked at to tell how large they are.
const LOOKED_AT: usize = 16;

/// Longer side of pictures, in pixels, that a network for small pictures takes as they are.
const SMALL: usize = 40;

/// Side of the network's input for larger ones: what a few minutes on two cores are enough for.
const SIDE: usize = 128;

/// Images that a run learns from in all its epochs, about, and the epochs that it has at least and at most.
const IMAGES: usize = 600_000;
const EPOCHS: (usize, usize) = (10, 100);

/// What the choice follows from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PictureFacts {
    /// Pictures to learn from.
    pub pictures: usize,
    /// 1 for grey, 3 for colours.
    pub channels: usize,
    /// Pixels of the longer side, of the middle one of a few pictures.
    pub side: usize,
}

impl PictureFacts {
    /// Looks at the pictures of a data set, up to 16 of them. Those that cannot be read are passed over.
    pub fn of(dataset: &Dataset) -> Self {
        let train: &dyn Samples = &*dataset.train;
        let (pictures, mut buffer) = (train.len(), Vec::new());
        let looked = (0..pictures).step_by(pictures.div_ceil(LOOKED_AT).max(1));
        let mut sides: Vec<usize> = match train.shape() {
            Some(shape) => vec![shape.h.max(shape.w)],
            None => looked
                .filter_map(|index| {
                    train.read(index, &mut buffer).ok().map(|picture| picture.shape.h.max(picture.shape.w))
                })
                .collect(),
        };
        sides.sort_unstable();
        let side = sides.get(sides.len() / 2).copied().unwrap_or(SIDE);
        Self { pictures, channels: train.channels(), side }
    }
}

/// A recipe with what suits the pictures.
#[derive(Clone, PartialEq, Debug)]
pub struct RecipeChoice {
    set: Overrides,
    why: &'static str,
    pictures: usize,
}

impl RecipeChoice {
    /// For pictures of which these facts are known, with or without weights to start from.
    pub fn of(facts: PictureFacts, has_weights: bool) -> Self {
        let PictureFacts { pictures, channels, side } = facts;
        if has_weights {
            let set = Overrides { recipe: Some(Recipe::Finetune), ..Overrides::default() };
            return Self { set, why: "there are weights to start from", pictures };
        }
        let epochs = (IMAGES / pictures.max(1)).clamp(EPOCHS.0, EPOCHS.1);
        let is_small = side <= SMALL;
        let has_colours = channels == 3;
        let batch_size = if pictures < 1000 { 32 } else { 64 };
        let set = Overrides {
            recipe: Some(Recipe::Small),
            model: Some(if is_small { "resnet20" } else { "resnet18" }.to_owned()),
            resize: Some(if is_small { side.max(8) } else { side.min(SIDE) / 32 * 32 }),
            preprocess: (!is_small).then(|| Pictures::preset(Preset::Imagenet)),
            epochs: Some(epochs as u32),
            batch_size: Some(batch_size),
            // in proportion, as the recipe's own
            lr: Some(if batch_size == 32 { 0.0125 } else { 0.025 }),
            scale: (has_colours && !is_small).then_some(Bounds([0.35, 1.0])),
            hflip: has_colours.then_some(0.5),
            ..Overrides::default()
        };
        let why = match is_small {
            true => "the pictures are small and there are no weights to start from",
            false => "there are no weights to start from",
        };
        Self { set, why, pictures }
    }

    /// The options of a new run: what is given, over what was chosen.
    ///
    /// # Errors
    /// [`TrainError::Option`] for a value that makes no sense.
    pub fn resolve(&self, given: &Overrides) -> Result<TrainOptions, TrainError> {
        given.resolve_over(&self.set)
    }

    /// The choice in a sentence; `options` are those of the run.
    pub fn words(&self, options: &TrainOptions) -> String {
        let pictures = counted(self.pictures as u64, "picture");
        format!(
            "recipe {}, because {}: {} at {} pixels, {} of {pictures}; --recipe names another, and any option goes before it",
            options.recipe,
            self.why,
            options.model,
            options.resize,
            counted(options.epochs.into(), "epoch"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(pictures: usize, channels: usize, side: usize) -> TrainOptions {
        let facts = PictureFacts { pictures, channels, side };
        RecipeChoice::of(facts, false).resolve(&Overrides::default()).unwrap()
    }

    #[test]
    fn the_table_is_kept() {
        for (pictures, channels, side, model, resize, epochs, batch_size) in [
            (50_000, 3, 32, "resnet20", 32, 12, 64),
            (60_000, 1, 28, "resnet20", 28, 10, 64),
            (400, 3, 500, "resnet18", 128, 100, 32),
            (20_000, 3, 100, "resnet18", 96, 30, 64),
            (1_000_000, 3, 4000, "resnet18", 128, 10, 64),
            (1, 1, 1, "resnet20", 8, 100, 32),
            (10, 3, 41, "resnet18", 32, 100, 32),
        ] {
            let options = chosen(pictures, channels, side);
            let found = (options.model.as_str(), options.resize, options.epochs, options.batch_size);
            assert_eq!(found, (model, resize, epochs, batch_size), "{pictures} {channels} {side}");
            assert_eq!(options.recipe, Recipe::Small);
            assert_eq!(options.hflip > 0.0, channels == 3);
            assert_eq!(options.scale.is_some(), channels == 3 && side > SMALL);
            assert_eq!(options.preprocess.is_some(), side > SMALL);
        }
    }

    #[test]
    fn weights_decide_the_network() {
        let facts = PictureFacts { pictures: 400, channels: 3, side: 500 };
        let options = RecipeChoice::of(facts, true).resolve(&Overrides::default()).unwrap();
        let usual = Overrides { recipe: Some(Recipe::Finetune), ..Overrides::default() };
        assert_eq!(options, usual.resolve().unwrap());
    }

    #[test]
    fn what_is_given_goes_before_it() {
        let facts = PictureFacts { pictures: 400, channels: 3, side: 500 };
        let given = Overrides {
            epochs: Some(3),
            model: Some("resnet34".into()),
            hflip: Some(0.0),
            ..Overrides::default()
        };
        let choice = RecipeChoice::of(facts, false);
        let options = choice.resolve(&given).unwrap();
        assert_eq!((options.epochs, options.model.as_str(), options.hflip), (3, "resnet34", 0.0));
        assert_eq!((options.resize, options.lr), (128, 0.0125));
        let words = choice.words(&options);
        let expected = "recipe small, because there are no weights to start from: resnet34 at 128 pixels, 3 epochs of 400 pictures;";
        assert!(words.starts_with(expected), "{words}");
    }
}
