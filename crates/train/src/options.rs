//! What to train, on what, for how long, and where the result goes: one plain record, `args.yaml` in the run folder.

use std::path::PathBuf;
use std::time::Duration;

use plusx_engine::Level;
use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;
use serde::{Deserialize, Serialize};

use crate::by_name;
use crate::error::TrainError;
use crate::pretrained::{Pictures, Pretrained};

/// A named set of defaults and habits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// The textbook chapter: plain SGD at 0.05, Xavier, 5 epochs of 256, weight decay (if any) on every parameter,
    /// and the summed gradient divided by the full batch size even for the smaller last batch.
    #[default]
    D2l,
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

/// When to save besides the end of every epoch. Written `10m`, `90s`, `1h`, `20steps` or `epoch`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaveEvery {
    /// Only at the end of every epoch.
    Epoch,
    /// When this much time has passed since the last save.
    Time(Duration),
    /// After every so many steps, counted from the start of the run.
    Steps(u64),
}

impl Default for SaveEvery {
    /// Ten minutes: what a power cut may cost.
    fn default() -> Self {
        SaveEvery::Time(Duration::from_secs(600))
    }
}

impl std::fmt::Display for SaveEvery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SaveEvery::Epoch => f.write_str("epoch"),
            SaveEvery::Steps(steps) => write!(f, "{steps}steps"),
            SaveEvery::Time(time) => match time.as_secs() {
                seconds if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
                seconds if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
                seconds => write!(f, "{seconds}s"),
            },
        }
    }
}

impl std::str::FromStr for SaveEvery {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let error =
            || TrainError::option("save-every", text, "write `10m`, `90s`, `1h`, `20steps` or `epoch`");
        if text == "epoch" {
            return Ok(SaveEvery::Epoch);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let count: u64 = text[..digits].parse().map_err(|_| error())?;
        let seconds = match text[digits..].trim() {
            _ if count == 0 => None,
            "step" | "steps" => return Ok(SaveEvery::Steps(count)),
            "s" => Some(count),
            "m" | "min" => count.checked_mul(60),
            "h" => count.checked_mul(3600),
            _ => None,
        };
        seconds.map(|seconds| SaveEvery::Time(Duration::from_secs(seconds))).ok_or_else(error)
    }
}

impl Serialize for SaveEvery {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SaveEvery {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Everything a run depends on. The default is the chapter's run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainOptions {
    /// Habits that are no option of their own; default d2l.
    pub recipe: Recipe,
    /// Name in the zoo; default `resnet18-d2l`.
    pub model: String,
    /// Name of the data set; default `fashion-mnist`.
    pub data: String,
    /// Folder to look for the data set in, and nowhere else; default none.
    pub data_dir: Option<PathBuf>,
    /// Side of the square the images are resized to, in pixels; default 96.
    pub resize: usize,
    /// Shape of the network's input in place of that square; grey images may fill several channels. Default none.
    #[serde(default, with = "by_name::shape")]
    pub input: Option<ImageShape>,
    /// How images are resized and normalised; default as the chapter does: OpenCV's bilinear, values from 0 to 1.
    #[serde(default)]
    pub preprocess: Option<Pictures>,
    /// What the parameters start from; default numbers drawn by the seed.
    #[serde(default)]
    pub pretrained: Option<Pretrained>,
    /// Passes over the training images; default 5.
    pub epochs: u32,
    /// Images per step; default 256. The last batch of an epoch keeps what is left over.
    pub batch_size: usize,
    /// Learning rate; default 0.05.
    pub lr: f32,
    /// Momentum; default 0.
    pub momentum: f32,
    /// Looks ahead along the velocity; needs momentum; default false.
    pub nesterov: bool,
    /// L2 penalty; default 0.
    pub weight_decay: f32,
    /// Of the initial weights and the sample order; default 42.
    pub seed: u32,
    /// Worker threads; default as many as the machine grants. No effect on the result.
    pub threads: Option<usize>,
    /// Instruction-set level; default the best there is.
    #[serde(with = "by_name::level")]
    pub isa: Option<Level>,
    /// Direct convolutions only, no Winograd algorithms; default false.
    #[serde(default)]
    pub exact: bool,
    /// Folder that holds the run folders; default `runs/train`.
    pub output: PathBuf,
    /// Name of the run folder; default `exp`, `exp2`, … whichever is free.
    pub name: Option<String>,
    /// Use the named run folder even if it exists, replacing what it holds; default false.
    pub exist_ok: bool,
    /// When to save besides the end of every epoch; default every ten minutes.
    pub save_every: SaveEvery,
    /// Stop after so many steps in all; default none.
    pub max_steps: Option<u64>,
    /// Train on so many images only, drawn by the seed, any as likely as another; default all.
    pub train_limit: Option<usize>,
    /// Measure the errors after every so many steps of an epoch, not only at its end, and write them to `points.csv`;
    /// default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure_every: Option<u64>,
    /// Of the test images, how many are looked at inside an epoch: always the same ones, whatever the seed; default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure_limit: Option<usize>,
}

impl From<&TrainOptions> for TrainOptions {
    /// A copy; weights that the options hold are shared.
    fn from(options: &TrainOptions) -> Self {
        options.clone()
    }
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            recipe: Recipe::D2l,
            model: "resnet18-d2l".into(),
            data: "fashion-mnist".into(),
            data_dir: None,
            resize: 96,
            input: None,
            preprocess: None,
            pretrained: None,
            epochs: 5,
            batch_size: 256,
            lr: 0.05,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            seed: 42,
            threads: None,
            isa: None,
            exact: false,
            output: "runs/train".into(),
            name: None,
            exist_ok: false,
            save_every: SaveEvery::default(),
            max_steps: None,
            train_limit: None,
            measure_every: None,
            measure_limit: None,
        }
    }
}

impl TrainOptions {
    /// What the network takes, of images of `channels`.
    pub fn input_shape(&self, channels: usize) -> ImageShape {
        self.input.unwrap_or(ImageShape::new(channels, self.resize, self.resize))
    }

    /// How images become an input of this shape.
    pub fn record(&self, input: ImageShape) -> Preprocess {
        self.preprocess.as_ref().map_or_else(|| Preprocess::chapter(input), |pictures| pictures.record(input))
    }

    /// Refuses values that make no sense, naming the option.
    pub fn check(&self) -> Result<(), TrainError> {
        let fail = |option: &'static str, value: &dyn std::fmt::Display, wanted: &'static str| {
            Err(TrainError::option(option, &value.to_string(), wanted))
        };
        let finite = |value: f32| value.is_finite() && value >= 0.0;
        match self {
            o if o.epochs == 0 => fail("epochs", &o.epochs, "at least 1"),
            o if o.batch_size == 0 => fail("batch-size", &o.batch_size, "at least 1"),
            o if !(1..=4096).contains(&o.resize) => fail("resize", &o.resize, "between 1 and 4096 pixels"),
            TrainOptions { input: Some(input), .. }
                if [input.h, input.w].iter().any(|side| !(1..=4096).contains(side)) =>
            {
                fail("input", input, "between 1 and 4096 rows and columns")
            }
            o if !finite(o.lr) => fail("lr", &o.lr, "a finite number, not negative"),
            o if !finite(o.momentum) || o.momentum >= 1.0 => {
                fail("momentum", &o.momentum, "at least 0 and below 1")
            }
            o if o.nesterov && o.momentum == 0.0 => fail("nesterov", &true, "it needs --momentum above 0"),
            o if !finite(o.weight_decay) => {
                fail("weight-decay", &o.weight_decay, "a finite number, not negative")
            }
            o if o.threads == Some(0) => fail("threads", &0, "at least 1"),
            o if o.max_steps == Some(0) => fail("max-steps", &0, "at least 1"),
            o if o.train_limit == Some(0) => fail("train-limit", &0, "at least 1"),
            o if o.measure_every == Some(0) => fail("measure-every", &0, "at least 1"),
            o if o.measure_limit == Some(0) => fail("measure-limit", &0, "at least 1"),
            // `args.yaml` counts in whole seconds, and a step count of 0 would never be due
            TrainOptions { save_every: SaveEvery::Time(time), .. } if time.as_secs() == 0 => {
                fail("save-every", &format_args!("{} s", time.as_secs_f64()), "at least 1 s")
            }
            o if o.save_every == SaveEvery::Steps(0) => fail("save-every", &o.save_every, "at least 1 step"),
            o => match &o.name {
                Some(name) if !is_folder_name(name) => {
                    fail("name", name, "one folder name, without separators")
                }
                _ => Ok(()),
            },
        }
    }
}

/// Whether `name` is a single ordinary path component.
fn is_folder_name(name: &str) -> bool {
    let mut parts = std::path::Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None))
        && !name.ends_with(['/', '\\'])
}

/// What a command line says: only what was given. Laid over the recipe for a new run, checked against the saved
/// options for a resumed one.
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)] // the fields are those of TrainOptions
pub struct Overrides {
    pub recipe: Option<Recipe>,
    pub model: Option<String>,
    pub data: Option<String>,
    pub data_dir: Option<PathBuf>,
    pub resize: Option<usize>,
    pub input: Option<ImageShape>,
    pub preprocess: Option<Pictures>,
    /// As the user called it. For a new run [`TrainOptions::start_from`] makes something of it.
    pub pretrained: Option<String>,
    pub epochs: Option<u32>,
    pub batch_size: Option<usize>,
    pub lr: Option<f32>,
    pub momentum: Option<f32>,
    pub nesterov: Option<bool>,
    pub weight_decay: Option<f32>,
    pub seed: Option<u32>,
    pub threads: Option<usize>,
    /// `Some(None)` is `auto`: the best level of this machine, whatever was saved.
    pub isa: Option<Option<Level>>,
    pub exact: Option<bool>,
    pub output: Option<PathBuf>,
    pub name: Option<String>,
    pub exist_ok: Option<bool>,
    pub save_every: Option<SaveEvery>,
    pub max_steps: Option<u64>,
    pub train_limit: Option<usize>,
    pub measure_every: Option<u64>,
    pub measure_limit: Option<usize>,
}

/// Lays each given field over the same field of the options.
macro_rules! lay {
    ($over:expr, $options:expr, $($field:ident),*) => {
        $(if let Some(value) = &$over.$field { $options.$field = value.clone().into(); })*
    };
}

/// Refuses a given field that differs from the saved one.
macro_rules! same {
    ($over:expr, $saved:expr, $($field:ident),*) => {
        $(if let Some(given) = &$over.$field
            && differs(&$saved.$field, given.clone())
        {
            return Err(TrainError::ResumeChanged {
                option: stringify!($field).replace('_', "-"),
                saved: shown(&$saved.$field),
                given: shown(given),
            });
        })*
    };
}

/// Refuses what is given and differs from what is saved.
fn kept<T: PartialEq + std::fmt::Display>(
    option: &str,
    given: &Option<T>,
    saved: &Option<T>,
) -> Result<(), TrainError> {
    let Some(value) = given.as_ref().filter(|_| given != saved) else { return Ok(()) };
    let saved = saved.as_ref().map_or_else(|| "none".into(), T::to_string);
    Err(TrainError::ResumeChanged { option: option.into(), saved, given: value.to_string() })
}

/// An option's value as its user writes it, and as `args.yaml` does.
fn shown<T: Serialize>(value: &T) -> String {
    match yaml_serde::to_string(value).unwrap_or_default().trim_end() {
        "null" => "none".into(),
        text => text.into(),
    }
}

/// Whether a given value, laid over the saved one, would change it.
fn differs<T: PartialEq, G: Into<T>>(saved: &T, given: G) -> bool {
    *saved != given.into()
}

impl Overrides {
    /// The options of a new run.
    pub fn resolve(&self) -> Result<TrainOptions, TrainError> {
        self.over(TrainOptions::default())
    }

    /// What is given, laid over other options.
    pub(crate) fn over(&self, mut options: TrainOptions) -> Result<TrainOptions, TrainError> {
        lay!(
            self, options, recipe, model, data, data_dir, resize, epochs, batch_size, lr, momentum, nesterov
        );
        lay!(self, options, weight_decay, seed, threads, isa, exact, output, name, exist_ok, save_every);
        lay!(self, options, max_steps, train_limit, measure_every, measure_limit, input, preprocess);
        options.check()?;
        Ok(options)
    }

    /// The options of a resumed run: the saved ones with what may change (epochs, threads, instruction set, where
    /// the data are, when to save and to stop). `output` and `name` say which run, so they are not looked at.
    ///
    /// Who asks for epochs wants all of them: a saved `max_steps` that is not given again is lifted.
    pub fn resume(&self, saved: &TrainOptions) -> Result<TrainOptions, TrainError> {
        same!(self, saved, recipe, model, data, resize, batch_size, lr, momentum, nesterov, weight_decay);
        same!(self, saved, seed, exact, train_limit, measure_every, measure_limit);
        let start = saved.pretrained.as_ref().map(|pretrained| pretrained.name.clone());
        kept("input", &self.input, &saved.input)?;
        kept("preprocess", &self.preprocess, &saved.preprocess)?;
        kept("pretrained", &self.pretrained, &start)?;
        let mut options = saved.clone();
        if self.epochs.is_some() {
            options.max_steps = None;
        }
        lay!(self, options, data_dir, epochs, threads, isa, save_every, max_steps);
        options.check()?;
        Ok(options)
    }

    /// As [`Overrides::resume`] for a run whose length may not change either.
    pub(crate) fn keep(&self, saved: &TrainOptions) -> Result<TrainOptions, TrainError> {
        same!(self, saved, epochs, max_steps);
        Overrides { epochs: None, max_steps: None, ..self.clone() }.resume(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn save_every_reads_what_it_writes() {
        for (text, value) in [
            ("10m", SaveEvery::Time(Duration::from_secs(600))),
            ("90s", SaveEvery::Time(Duration::from_secs(90))),
            ("2h", SaveEvery::Time(Duration::from_secs(7200))),
            ("20steps", SaveEvery::Steps(20)),
            ("epoch", SaveEvery::Epoch),
        ] {
            assert_eq!(text.parse::<SaveEvery>().unwrap(), value);
            assert_eq!(value.to_string(), text);
        }
        for text in
            ["", "0m", "0steps", "10", "m", "10 parsecs", "99999999999999999999s", "9999999999999999999h"]
        {
            assert!(text.parse::<SaveEvery>().is_err(), "{text}");
        }
    }

    #[test]
    fn options_survive_yaml() {
        let options = TrainOptions {
            isa: Some(Level::Avx2),
            name: Some("a: b".into()),
            threads: Some(3),
            lr: 0.1,
            input: Some(ImageShape::new(3, 32, 28)),
            preprocess: Some(Pictures::preset(plusx_model::preprocess::Preset::Timm)),
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
        assert!(text.contains("with none,"), "{text}");
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
        for save_every in [SaveEvery::Time(Duration::from_millis(999)), SaveEvery::Steps(0)] {
            let options = TrainOptions { save_every, ..TrainOptions::default() };
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains("--save-every"), "{error}");
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
            (Overrides { nesterov: Some(true), ..Overrides::default() }, "--nesterov"),
            (Overrides { name: Some("a/b".into()), ..Overrides::default() }, "--name"),
            (Overrides { name: Some("..".into()), ..Overrides::default() }, "--name"),
        ] {
            let error = over.resolve().unwrap_err().to_string();
            assert!(error.contains(option), "{error}");
        }
    }
}
