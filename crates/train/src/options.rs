//! What to train, on what, for how long, and where the result goes: one plain record, `args.yaml` in the run folder.
//!
//! `table` says what there is to know of each option. Here options are laid over each other and checked.

mod augment;
mod class_weights;
mod declare;
mod freeze;
mod one_batch;
mod recipe;
mod save_every;
mod sched;
mod table;
mod time_limit;
mod valid;
mod value;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use plusx_data::{Augment, Crop, EraseWith, Mix, ReadOptions, Warp};
use plusx_model::graph::Graph;
use plusx_model::init::{Init, initialize, zero_last_gammas};
use plusx_model::params::Params;
use plusx_model::preprocess::{Preprocess, Resize, shorter_side};
use plusx_model::shape::ImageShape;
use plusx_model::update::{ParamRules, Rule, Update};

pub use augment::{AugmentPolicy, Bounds, ColorJitter};
pub use class_weights::{ClassWeightTable, ClassWeights, GivenClassWeights};
pub use declare::OptionRow;
pub use freeze::{CacheFeatures, Freeze};
pub use recipe::{Recipe, RecipeEntry};
pub use save_every::SaveEvery;
pub use sched::{FirstValues, LastBatchScale, Milestones, Opt, Sampler, Sched, SchedPer};
pub use table::{Overrides, TrainOptions};
pub use time_limit::TimeLimit;
pub use value::level;

use crate::by_name;
use crate::error::TrainError;
use declare::OnResume;

/// The ratio of width to height that goes with `--scale` alone, torchvision's.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

impl TrainOptions {
    /// Reads the `args.yaml` of a run that is to be made again, in a folder of its own.
    ///
    /// # Errors
    /// [`TrainError::Io`], or [`TrainError::BadRun`] if it does not hold the options of a run.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = fs::read_to_string(path).map_err(|error| TrainError::io("cannot read", path, error))?;
        let options: Self = yaml_serde::from_str(by_name::without_mark(&text))
            .map_err(|error| TrainError::bad_run(path, format!("not the options of a run: {error}")))?;
        // how many epochs fitted into a time is settled: the same run takes as long as it takes
        Ok(Self { name: None, exist_ok: false, time: None, ..options })
    }

    /// What the network takes, of images of `channels`.
    pub fn input_shape(&self, channels: usize) -> ImageShape {
        self.input.unwrap_or(ImageShape::new(channels, self.resize, self.resize))
    }

    /// How images become an input of this shape.
    pub fn record(&self, input: ImageShape) -> Preprocess {
        let whole = self
            .preprocess
            .as_ref()
            .map_or_else(|| Preprocess::chapter(input), |pictures| pictures.record(input));
        let Some(part) = self.crop_pct else { return whole };
        Preprocess { resize: Resize::Shorter(shorter_side(input.h.max(input.w), written(part))), ..whole }
    }

    /// Epochs with those of the cool-down, if the schedule has one.
    pub fn all_epochs(&self) -> u32 {
        self.epochs.saturating_add(if self.sched.comes_down() { self.cooldown_epochs } else { 0 })
    }

    /// The parameters of a network that starts from no weights.
    pub(crate) fn first_values(&self, graph: &Graph) -> Params {
        let init = match self.init {
            FirstValues::Xavier => Init::Xavier,
            FirstValues::Kaiming | FirstValues::KaimingZero => Init::Kaiming,
        };
        let mut params = initialize(graph, init, self.seed);
        if self.init == FirstValues::KaimingZero {
            zero_last_gammas(graph, &mut params);
        }
        params
    }

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

    /// How a data set is read that leaves something open.
    pub fn reading(&self) -> ReadOptions {
        ReadOptions {
            // as it was written: 0.1, not the number of `f32` next to it
            val_split: written(self.val_split),
            seed: self.seed,
            label_column: self.label_column.clone(),
            ..ReadOptions::default()
        }
    }

    /// Images of a step: those of all its batches. The last step of an epoch may have fewer.
    pub(crate) fn images_per_step(&self) -> usize {
        self.batch_size.saturating_mul(self.grad_accum_steps as usize)
    }

    /// How many numbers the update rule remembers of each parameter that learns.
    pub(crate) fn remembered(&self) -> usize {
        match self.opt {
            Opt::Sgd => usize::from(self.momentum > 0.0),
            Opt::AdamW => 2,
        }
    }

    /// The decay of the average of the parameters as it was written: 0.9998, not the number of `f32` next to it.
    pub(crate) fn average_decay(&self) -> Option<f64> {
        self.model_ema_decay.map(written)
    }

    /// How a step at the learning rate `lr` changes the parameters, whose losses on average are their sum divided by `divisor`.
    pub(crate) fn update(&self, lr: f32, divisor: f64) -> Update<'static> {
        let divisor = match self.last_batch_scale {
            LastBatchScale::Full => self.images_per_step() as f64,
            LastBatchScale::Actual => divisor,
        };
        let usual = Update::adamw(f64::from(lr), self.batch_size);
        Update {
            rule: match self.opt {
                Opt::Sgd => Rule::Sgd { momentum: f64::from(self.momentum), nesterov: self.nesterov },
                Opt::AdamW => usual.rule,
            },
            weight_decay: f64::from(self.weight_decay),
            params: match (self.decay_weights_only, self.no_norm_decay) {
                (true, _) => ParamRules::DecayMatrices,
                (false, true) => ParamRules::DecayAllButNorms,
                (false, false) => ParamRules::Alike,
            },
            // a batch whose classes all weigh nothing moves nothing
            scale: if divisor > 0.0 { 1.0 / divisor } else { 0.0 },
            max_norm: self.clip_grad.map(f64::from),
            ..usual
        }
    }

    /// What decides the bytes of a run beside the options that checkpoints have fields of their own for: what differs from the
    /// default, by key, as a user writes it.
    pub(crate) fn further(&self, own: &[&str]) -> BTreeMap<String, String> {
        let usual = Self::default();
        let rows = Overrides::ROWS.iter().filter(|row| row.of_recipe && row.on_resume == OnResume::Kept);
        rows.filter(|row| !own.contains(&row.key) && (row.kept)(self) != (row.kept)(&usual))
            .map(|row| (row.key.to_owned(), (row.kept)(self)))
            .collect()
    }

    /// Refuses values that make no sense, naming the option.
    ///
    /// # Errors
    /// [`TrainError::Option`] for the first of them.
    pub fn check(&self) -> Result<(), TrainError> {
        match Overrides::ROWS.iter().find(|row| !(row.is_valid)(self)) {
            Some(row) => Err(TrainError::option(row.name, &(row.kept)(self), row.wanted)),
            None => Ok(()),
        }
    }
}

/// The number that was written: 0.1, not the `f32` next to it.
pub(crate) fn written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

impl Overrides {
    /// Every option there is, in the order of `args.yaml`.
    pub const ROWS: &'static [OptionRow<Self, TrainOptions>] = table::ROWS;

    /// The options of a new run: what is given, over what its recipe sets, over the defaults.
    ///
    /// # Errors
    /// [`TrainError::Option`] for a value that makes no sense, [`TrainError::ClassWeights`] for a file of weights that cannot be used.
    pub fn resolve(&self) -> Result<TrainOptions, TrainError> {
        let recipe = Self::of_recipe(self.recipe.unwrap_or_default())?;
        self.over(recipe.laid_over(TrainOptions::default(), |_| true))
            .and_then(|options| self.with_rate(options))
    }

    /// The options of a new run: what is given, over what was `chosen` for its pictures, over the recipe chosen.
    pub(crate) fn resolve_over(&self, chosen: &Self) -> Result<TrainOptions, TrainError> {
        let recipe = Self::of_recipe(chosen.recipe.unwrap_or_default())?;
        let options = chosen.laid_over(recipe.laid_over(TrainOptions::default(), |_| true), |_| true);
        self.over(options)
    }

    /// The options of a new run with the learning rate that its recipe has for their batch size, unless a rate is given. What
    /// [`resolve`](Self::resolve) gives has it; a batch size that is settled later has another.
    ///
    /// # Errors
    /// [`TrainError::Option`] if the table inside the program is damaged.
    pub fn with_rate(&self, options: TrainOptions) -> Result<TrainOptions, TrainError> {
        let base = options.recipe.entry()?.rate.filter(|_| self.lr.is_none());
        let lr = base.map_or(options.lr, |base| base.of(options.batch_size));
        Ok(TrainOptions { lr, ..options })
    }

    /// What a recipe sets.
    fn of_recipe(recipe: Recipe) -> Result<Self, TrainError> {
        let mut set = Self { recipe: Some(recipe), ..Self::default() };
        for (key, value) in recipe.entry()?.options {
            let unfit =
                || TrainError::option("recipe", &recipe.to_string(), "it sets an option that there is not");
            let row = Self::ROWS.iter().find(|row| row.key == key && row.of_recipe).ok_or_else(unfit)?;
            (row.read)(&mut set, OsStr::new(&value)).map_err(|_| unfit())?;
        }
        Ok(set)
    }

    /// What is given, laid over other options: those of a recipe, or of a run that is repeated.
    ///
    /// # Errors
    /// [`TrainError::Option`] for a value that makes no sense, [`TrainError::ClassWeights`] for a file of weights that cannot be used.
    pub fn over(&self, options: TrainOptions) -> Result<TrainOptions, TrainError> {
        let options = self.with_files_read()?.laid_over(options, |_| true);
        let any = self.time.is_some() && self.epochs.is_none();
        let epochs = if any { TimeLimit::MOST_EPOCHS } else { options.epochs };
        let options = TrainOptions { epochs, ..options };
        options.check()?;
        Ok(options)
    }

    /// The options of a resumed run: the saved ones with what may change (epochs, threads, instruction set, where
    /// the data are, when to save and to stop). `output` and `name` say which run, so they are not looked at.
    ///
    /// Who asks for epochs wants all of them: a saved `max_steps` or `time` that is not given again is lifted.
    ///
    /// # Errors
    /// [`TrainError::ResumeChanged`] for an option that must stay, [`TrainError::Option`] for a value that makes no sense,
    /// [`TrainError::ClassWeights`] for a file of weights that cannot be used.
    pub fn resume(&self, saved: &TrainOptions) -> Result<TrainOptions, TrainError> {
        self.with_files_read()?.refuse_other(saved, &[OnResume::Kept])?;
        let lifted = TrainOptions {
            max_steps: saved.max_steps.filter(|_| self.epochs.is_none()),
            time: saved.time.filter(|_| self.epochs.is_none()),
            ..saved.clone()
        };
        let options =
            self.laid_over(lifted, |row| matches!(row, OnResume::Length | OnResume::Method | OnResume::Free));
        options.check()?;
        Ok(options)
    }

    /// As [`Overrides::resume`] for a run whose length may not change either.
    pub(crate) fn keep(&self, saved: &TrainOptions) -> Result<TrainOptions, TrainError> {
        self.with_files_read()?.refuse_other(saved, &[OnResume::Kept, OnResume::Length, OnResume::Method])?;
        let options = self.laid_over(saved.clone(), |row| row == OnResume::Free);
        options.check()?;
        Ok(options)
    }

    /// Whether something is given of what is learnt, how and how long. Data, seed, machine, folder and what is measured are
    /// not it.
    pub(crate) fn is_of_recipe(&self) -> bool {
        Self::ROWS.iter().any(|row| row.of_recipe && (row.is_given)(self))
    }

    /// The same, with what stands in files in the place of their names.
    fn with_files_read(&self) -> Result<Self, TrainError> {
        let class_weights = self.class_weights.as_ref().map(GivenClassWeights::settled).transpose()?;
        Ok(Self { class_weights, ..self.clone() })
    }

    fn laid_over(&self, mut options: TrainOptions, which: fn(OnResume) -> bool) -> TrainOptions {
        let rows = Self::ROWS.iter().filter(|row| which(row.on_resume));
        rows.for_each(|row| (row.lay)(self, &mut options));
        options
    }

    /// Refuses what is given and differs from what is saved, among the options that stay.
    fn refuse_other(&self, saved: &TrainOptions, stay: &[OnResume]) -> Result<(), TrainError> {
        let mut rows = Self::ROWS.iter().filter(|row| stay.contains(&row.on_resume));
        match rows.find(|row| !(row.is_same)(self, saved)) {
            Some(row) => Err(TrainError::ResumeChanged {
                option: row.name.to_owned(),
                saved: (row.kept)(saved),
                given: (row.given)(self),
                may_change: may_change(stay),
            }),
            None => Ok(()),
        }
    }
}

/// The options that a comparison which goes on may change, as a sentence lists them.
pub(crate) fn may_change_in_comparison() -> String {
    may_change(&[OnResume::Kept, OnResume::Length, OnResume::Method])
}

/// The options that may change beside those that `stay`, as a sentence lists them.
fn may_change(stay: &[OnResume]) -> String {
    let is_free = |rule| rule != OnResume::Names && !stay.contains(&rule);
    let free = Overrides::ROWS.iter().filter(|row| is_free(row.on_resume));
    let names: Vec<String> = free.map(|row| format!("--{}", row.name)).collect();
    match names.split_last() {
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plusx_engine::Level;

    use super::*;
    use crate::origin::Pretrained;
    use crate::pictures::Pictures;
    use plusx_model::preprocess::Preset;

    #[test]
    fn options_survive_yaml() {
        let options = TrainOptions {
            isa: Some(Level::Avx2),
            name: Some("a: b".into()),
            threads: Some(3),
            lr: 0.1,
            input: Some(ImageShape::new(3, 32, 28)),
            preprocess: Some(Pictures::preset(Preset::Timm)),
            pretrained: Some(Pretrained {
                name: "net.pth".into(),
                sha256: "ab".into(),
                ..Pretrained::default()
            }),
            ..TrainOptions::default()
        };
        let text = yaml_serde::to_string(&options).unwrap();
        assert!(text.contains("lr: 0.1\n"), "{text}");
        assert_eq!(yaml_serde::from_str::<TrainOptions>(&text).unwrap(), options);
    }

    #[test]
    fn the_saved_options_are_written_as_ever() {
        let text = yaml_serde::to_string(&TrainOptions::default()).unwrap();
        let expected = "recipe: d2l\nmodel: resnet18-d2l\ndata: fashion-mnist\ndata_dir: null\nresize: 96\ninput: null\n\
            preprocess: null\npretrained: null\nepochs: 5\nbatch_size: 256\nlr: 0.05\nmomentum: 0.0\nnesterov: false\n\
            weight_decay: 0.0\nseed: 42\nthreads: null\nisa: auto\nexact: false\noutput: runs/train\nname: null\n\
            exist_ok: false\nsave_every: 10m\nmax_steps: null\ntrain_limit: null\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_resumed_run_keeps_what_decides_its_bytes() {
        let saved = TrainOptions::default();
        let changes = Overrides {
            epochs: Some(9),
            threads: Some(2),
            lr: Some(0.05),
            name: Some("exp7".into()),
            ..Overrides::default()
        };
        let options = changes.resume(&saved).unwrap();
        assert_eq!((options.epochs, options.threads, options.name), (9, Some(2), None));
    }

    #[test]
    fn a_refused_change_shows_values_as_a_user_writes_them() {
        let saved = TrainOptions { train_limit: Some(160), ..TrainOptions::default() };
        for (changes, words) in [
            (Overrides { lr: Some(0.1), ..Overrides::default() }, ["--lr 0.1:", "with 0.05,"]),
            (Overrides { train_limit: Some(80), ..Overrides::default() }, ["--train-limit 80:", "with 160,"]),
            (Overrides { model: Some("x".into()), ..Overrides::default() }, ["--model x:", "resnet18-d2l,"]),
        ] {
            let text = changes.resume(&saved).unwrap_err().to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
        let all = TrainOptions::default();
        let text =
            Overrides { train_limit: Some(80), ..Overrides::default() }.resume(&all).unwrap_err().to_string();
        assert!(text.contains("without it,"), "{text}");
        // a switch has no value
        let exact = Overrides { exact: Some(true), ..Overrides::default() };
        let text = exact.resume(&all).unwrap_err().to_string();
        assert!(text.starts_with("--exact: the run was started without it,"), "{text}");
        // a preset goes by its name
        let timm = Overrides { preprocess: Some(Pictures::preset(Preset::Timm)), ..Overrides::default() };
        let text = timm.resume(&all).unwrap_err().to_string();
        assert!(text.starts_with("--preprocess timm: the run was started with d2l,"), "{text}");
    }

    #[test]
    fn a_default_may_be_said_again() {
        let saved = TrainOptions::default();
        let d2l = Overrides { preprocess: Some(Pictures::preset(Preset::D2l)), ..Overrides::default() };
        assert_eq!(d2l.resume(&saved).unwrap(), saved);
    }

    #[test]
    fn recipes_set_what_they_say_and_what_is_given_goes_before() {
        for recipe in Recipe::ALL {
            let options = Overrides { recipe: Some(recipe), ..Overrides::default() }.resolve().unwrap();
            assert_eq!(options.recipe, recipe);
            for (key, value) in recipe.entry().unwrap().options {
                let row = Overrides::ROWS.iter().find(|row| row.key == key).unwrap();
                assert_eq!((row.kept)(&options), value, "{recipe}: {key}");
            }
            assert_eq!(crate::schedule::unused(&options), [""; 0], "{recipe}");
            // what args.yaml does not say is the default, whatever the recipe
            let text = yaml_serde::to_string(&options).unwrap();
            assert_eq!(yaml_serde::from_str::<TrainOptions>(&text).unwrap(), options);
        }
        assert_eq!(Overrides::default().resolve().unwrap(), TrainOptions::default());
        // only timm's and torchvision's newer rates follow the batch size
        for (recipe, lr) in
            [(Recipe::Timm, 0.025), (Recipe::Tv2, 0.03125), (Recipe::Tv, 0.1), (Recipe::Small, 0.025)]
        {
            let given = Overrides { recipe: Some(recipe), batch_size: Some(64), ..Overrides::default() };
            assert_eq!(given.resolve().unwrap().lr, lr, "{recipe}");
            assert_eq!(Overrides { lr: Some(0.3), ..given }.resolve().unwrap().lr, 0.3);
        }
        let given =
            Overrides { recipe: Some(Recipe::Small), sched: Some(Sched::Constant), ..Overrides::default() };
        let options = given.resolve().unwrap();
        assert_eq!((options.sched, options.momentum), (Sched::Constant, 0.9));
    }

    #[test]
    fn auto_replaces_a_saved_level_and_nothing_leaves_it() {
        let saved = TrainOptions { isa: Some(Level::Avx2), ..TrainOptions::default() };
        let isa = |isa| Overrides { isa, ..Overrides::default() }.resume(&saved).unwrap().isa;
        assert_eq!(isa(None), Some(Level::Avx2));
        assert_eq!(isa(Some(None)), None);
        assert_eq!(isa(Some(Some(Level::Portable))), Some(Level::Portable));
    }

    #[test]
    fn asking_for_epochs_lifts_a_saved_limit_of_steps() {
        let saved = TrainOptions { max_steps: Some(7), ..TrainOptions::default() };
        let limit = |epochs, max_steps| {
            Overrides { epochs, max_steps, ..Overrides::default() }.resume(&saved).unwrap().max_steps
        };
        assert_eq!(limit(None, None), Some(7));
        assert_eq!(limit(None, Some(9)), Some(9));
        assert_eq!(limit(Some(5), None), None);
        assert_eq!(limit(Some(5), Some(9)), Some(9));
    }

    #[test]
    fn what_args_yaml_could_not_give_back_is_refused() {
        for (save_every, words) in [
            (SaveEvery::Time(Duration::from_millis(999)), "--save-every 0.999s:"),
            (SaveEvery::Steps(0), "--save-every 0steps:"),
        ] {
            let options = TrainOptions { save_every, ..TrainOptions::default() };
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let options =
            TrainOptions { save_every: SaveEvery::Time(Duration::from_secs(1)), ..TrainOptions::default() };
        options.check().unwrap();
    }

    #[test]
    fn senseless_values_are_named() {
        for (over, option) in [
            (Overrides { epochs: Some(0), ..Overrides::default() }, "--epochs"),
            (Overrides { lr: Some(f32::NAN), ..Overrides::default() }, "--lr"),
            (Overrides { momentum: Some(1.0), ..Overrides::default() }, "--momentum"),
            (Overrides { nesterov: Some(true), ..Overrides::default() }, "--nesterov: it needs"),
            (Overrides { name: Some("a/b".into()), ..Overrides::default() }, "--name"),
            (Overrides { name: Some("..".into()), ..Overrides::default() }, "--name"),
        ] {
            let error = over.resolve().unwrap_err().to_string();
            assert!(error.contains(option), "{error}");
        }
    }

    #[test]
    fn help_tells_the_defaults_that_hold() {
        let options = TrainOptions::default();
        for row in Overrides::ROWS {
            let value = (row.kept)(&options);
            let goes_without_saying = ["none", "false"].contains(&value.as_str());
            assert!(goes_without_saying || row.default.contains(&value), "{}: {value}", row.key);
        }
    }

    #[test]
    fn what_may_change_is_listed() {
        let list = "--data-dir, --epochs, --patience, --threads, --isa, --precision, --save-every, --time and --max-steps";
        assert_eq!(may_change(&[OnResume::Kept]), list);
        let list = "--data-dir, --threads, --isa and --save-every";
        assert_eq!(may_change(&[OnResume::Kept, OnResume::Length, OnResume::Method]), list);
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
