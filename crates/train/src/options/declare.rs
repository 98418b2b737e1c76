//! How a table of options becomes two structs and the list of its rows.

use std::ffi::OsStr;

/// What a resumed run makes of an option that is given again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OnResume {
    /// It must be what it was: the result depends on it.
    Kept,
    /// A run may be made longer with it; the runs of a comparison stay of one length.
    Length,
    /// A run may go on with another, whose bytes then differ; a warning tells of it. The runs of a comparison keep to one.
    Method,
    /// It may change: the result does not depend on it.
    Free,
    /// It says which run is meant.
    Names,
}

/// A row of the table of options: what every part of the program must know of an option. `Given` are the options that were
/// given, `Kept` those that a run keeps.
#[derive(Debug)]
pub struct OptionRow<Given: 'static, Kept: 'static> {
    /// Its name in `args.yaml`.
    pub key: &'static str,
    /// Its name on the command line, without the dashes before it.
    pub name: &'static str,
    /// What stands for its value in a help text; nothing for a switch.
    pub value: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What holds if it is not given, in words; nothing if that goes without saying.
    pub default: &'static str,
    /// Whether it makes no sense for several runs under one recipe.
    pub of_one_run: bool,
    /// Whether it is part of what is learnt, how and how long. Data, seed, machine, folder and measurements are not.
    pub of_recipe: bool,
    /// Reads it from a word of a command line (`true` for a switch); what is wrong with the word.
    pub read: fn(&mut Given, &OsStr) -> Result<(), String>,
    /// What a resumed run makes of it.
    pub(super) on_resume: OnResume,
    /// Whether it was given.
    pub(super) is_given: fn(&Given) -> bool,
    /// Puts what was given over what a run has.
    pub(super) lay: fn(&Given, &mut Kept),
    /// Whether nothing was given, or what a run has.
    pub(super) is_same: fn(&Given, &Kept) -> bool,
    /// What was given, as a user writes it.
    pub(super) given: fn(&Given) -> String,
    /// What a run has, as a user writes it.
    pub(super) kept: fn(&Kept) -> String,
    /// Whether what a run has makes sense.
    pub(super) is_valid: fn(&Kept) -> bool,
    /// What would make sense.
    pub(super) wanted: &'static str,
}

/// A key as the command line has it: hyphens for underscores.
pub(super) const fn hyphens<const LENGTH: usize>(key: &str) -> [u8; LENGTH] {
    let mut name = [b'-'; LENGTH];
    let mut at = 0;
    while at < LENGTH {
        if key.as_bytes()[at] != b'_' {
            name[at] = key.as_bytes()[at];
        }
        at += 1;
    }
    name
}

/// Declares `TrainOptions` (what a run keeps), `Overrides` (what was given) and `ROWS`.
macro_rules! options {
    ($(
        $(#[$attribute:meta])*
        $key:ident: $given:ty => $kept:ty = $first:expr;
            $value:literal, $help:literal $(, default $default:literal)?;
            $on_resume:ident, of_one_run $of_one_run:literal, of_recipe $of_recipe:literal
            $(; valid $is_valid:expr, $wanted:literal)?
    )*) => {
        /// Everything a run depends on. The default is the chapter's run. It looks at no environment variables; the command line
        /// does, where the text of an option says so.
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct TrainOptions {
            $(
                #[doc = concat!($help, ".")]
                $(#[doc = concat!("\n\nDefault of the command line: ", $default, ".")])?
                $(#[$attribute])*
                pub $key: $kept,
            )*
        }

        impl Default for TrainOptions {
            fn default() -> Self {
                Self { $($key: $first,)* }
            }
        }

        /// What a command line says: only what was given. Laid over the recipe for a new run, checked against the saved
        /// options for a resumed one.
        ///
        /// In `isa`, `Some(None)` is `auto`, whatever was saved. `pretrained` alone starts nothing: `TrainOptions::start_from`
        /// reads the file.
        #[derive(Clone, PartialEq, Debug, Default)]
        pub struct Overrides {
            $(
                #[doc = concat!("See [`TrainOptions::", stringify!($key), "`].")]
                pub $key: Option<$given>,
            )*
        }

        /// Every option, in the order of `args.yaml`.
        pub(super) const ROWS: &[OptionRow<Overrides, TrainOptions>] = &[$(
            OptionRow {
                key: stringify!($key),
                name: {
                    const NAME: &[u8] = &hyphens::<{ stringify!($key).len() }>(stringify!($key));
                    match std::str::from_utf8(NAME) {
                        Ok(name) => name,
                        Err(_) => stringify!($key),
                    }
                },
                value: $value,
                help: $help,
                default: concat!($($default)?),
                of_one_run: $of_one_run,
                of_recipe: $of_recipe,
                read: |given, word| {
                    given.$key = Some(<$given as OptionValue>::read(word)?);
                    Ok(())
                },
                on_resume: OnResume::$on_resume,
                is_given: |given| given.$key.is_some(),
                lay: |given, kept| {
                    if let Some(value) = &given.$key {
                        value.lay(&mut kept.$key);
                    }
                },
                is_same: |given, kept| given.$key.as_ref().is_none_or(|value| value.is(&kept.$key)),
                given: |given| given.$key.shown(),
                kept: |kept| kept.$key.shown(),
                is_valid: options!(@valid $($is_valid)?),
                wanted: concat!($($wanted)?),
            },
        )*];
    };
    (@valid) => { |_| true };
    (@valid $is_valid:expr) => { $is_valid };
}

pub(super) use options;
