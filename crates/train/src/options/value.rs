//! What the values of options have in common. Each is read from a word of a command line, shown as its user writes it, and laid
//! over what was there before.

use std::ffi::OsStr;
use std::path::PathBuf;

use plusx_engine::{Level, Precision};
use plusx_model::preprocess::Preset;
use plusx_model::shape::ImageShape;

use super::augment::{AugmentPolicy, Bounds, ColorJitter};
use super::freeze::{CacheFeatures, Freeze};
use super::recipe::Recipe;
use super::save_every::SaveEvery;
use super::sched::{FirstValues, LastBatchScale, Milestones, Opt, Sampler, Sched, SchedPer};
use super::time_limit::TimeLimit;
use crate::error::TrainError;
use crate::origin::Pretrained;
use crate::pictures::Pictures;

/// What an option may be given as.
pub(super) trait OptionValue: Sized {
    /// Reads a word of a command line; what is wrong with it.
    fn read(word: &OsStr) -> Result<Self, String>;

    /// Whether it says what holds for a run that keeps none.
    fn is_usual(&self) -> bool {
        false
    }
}

/// What can be shown as the user of an option writes it.
pub(super) trait Shown {
    /// The text.
    fn shown(&self) -> String;

    /// What a run has that keeps none.
    fn usual() -> &'static str {
        "none"
    }
}

/// What an option is given as, against what a run keeps of it.
pub(super) trait Lay<Kept> {
    /// Puts it in the place of what was there.
    fn lay(&self, kept: &mut Kept);

    /// Whether what is there says the same.
    fn is(&self, kept: &Kept) -> bool;
}

impl<T: Clone + PartialEq> Lay<T> for T {
    fn lay(&self, kept: &mut T) {
        kept.clone_from(self);
    }

    fn is(&self, kept: &T) -> bool {
        self == kept
    }
}

impl<T: OptionValue + Clone + PartialEq> Lay<Option<T>> for T {
    fn lay(&self, kept: &mut Option<T>) {
        *kept = Some(self.clone());
    }

    fn is(&self, kept: &Option<T>) -> bool {
        kept.as_ref().map_or_else(|| self.is_usual(), |kept| kept == self)
    }
}

impl Lay<Option<Pretrained>> for PathBuf {
    /// A name alone starts nothing: `TrainOptions::start_from` reads the file and keeps what it says.
    fn lay(&self, _: &mut Option<Pretrained>) {}

    fn is(&self, kept: &Option<Pretrained>) -> bool {
        kept.as_ref().is_some_and(|kept| kept.name == self.to_string_lossy())
    }
}

/// Values that their types read and show themselves.
macro_rules! plain {
    ($($type:ty),*) => {$(
        impl OptionValue for $type {
            fn read(word: &OsStr) -> Result<Self, String> {
                text(word)?.parse().map_err(|error: <$type as std::str::FromStr>::Err| error.to_string())
            }
        }

        impl Shown for $type {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

plain!(String, bool, u32, u64, usize, f32, ImageShape, Precision);

/// Values whose types say what is wrong with a word by an error that names the option.
macro_rules! named {
    ($($type:ty),*) => {$(
        impl OptionValue for $type {
            fn read(word: &OsStr) -> Result<Self, String> {
                text(word)?.parse().map_err(|error| match error {
                    TrainError::Option { wanted, .. } => wanted.to_owned(),
                    other => other.to_string(),
                })
            }
        }

        impl Shown for $type {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

named!(
    AugmentPolicy,
    Bounds,
    CacheFeatures,
    ColorJitter,
    Freeze,
    FirstValues,
    LastBatchScale,
    Milestones,
    Opt,
    Recipe,
    Sampler,
    SaveEvery,
    Sched,
    SchedPer,
    TimeLimit
);

fn text(word: &OsStr) -> Result<&str, String> {
    word.to_str().ok_or_else(|| "not Unicode".to_owned())
}

impl OptionValue for PathBuf {
    fn read(word: &OsStr) -> Result<Self, String> {
        Ok(word.into())
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

impl OptionValue for Pictures {
    fn read(word: &OsStr) -> Result<Self, String> {
        let preset: Preset = text(word)?.parse().map_err(|error| format!("{error}"))?;
        Ok(Pictures::preset(preset))
    }

    fn is_usual(&self) -> bool {
        *self == Pictures::preset(Preset::D2l)
    }
}

impl Shown for Pictures {
    fn shown(&self) -> String {
        let preset = Preset::ALL.into_iter().find(|preset| Pictures::preset(*preset) == *self);
        preset.map_or_else(|| self.to_string(), |preset| preset.as_str().to_owned())
    }

    fn usual() -> &'static str {
        Preset::D2l.as_str()
    }
}

impl OptionValue for Option<Level> {
    fn read(word: &OsStr) -> Result<Self, String> {
        level(text(word)?)
    }
}

impl Shown for Level {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Pretrained {
    fn shown(&self) -> String {
        self.name.clone()
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| T::usual().to_owned(), T::shown)
    }
}

/// Reads the name of an instruction-set level that this machine has; `None` is `auto`, the best there is.
///
/// # Errors
/// What there is instead, in words.
pub fn level(text: &str) -> Result<Option<Level>, String> {
    let names = |levels: &[Level]| levels.iter().map(|level| level.name()).collect::<Vec<_>>().join(", ");
    match Level::ALL.into_iter().find(|level| level.name() == text) {
        _ if text == "auto" => Ok(None),
        None => Err(format!("use auto or one of {}", names(&Level::ALL))),
        Some(level) if level.supported() => Ok(Some(level)),
        Some(level) => {
            let has: Vec<Level> = Level::ALL.into_iter().filter(|level| level.supported()).collect();
            Err(format!("this machine lacks {level}; it has: auto, {}", names(&has)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_by_name() {
        assert_eq!(level("auto"), Ok(None));
        assert_eq!(level("portable"), Ok(Some(Level::Portable)));
        assert!(level("sse").unwrap_err().contains("avx2"));
    }
}
