//! The training options on a command line. The library's table says which there are, what they are called and what they mean.
//! Here each row of it becomes an option.

use crate::environment::Environment;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use plusx_train::{OptionRow, Overrides, TrainOptions};
use std::ffi::OsStr;

/// The batch size that is settled once the data are there.
const AUTO: &str = "auto";

type Row = OptionRow<Overrides, TrainOptions>;

/// What was given of the training options; those that only a single run has, if the command makes one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given<const ONE_RUN: bool> {
    overrides: Overrides,
    /// Whether the batch size is to be chosen by the room there is.
    pub(crate) auto_batch: bool,
    /// Whether a place was given for the data set, and not what it is called.
    pub(crate) is_place: bool,
}

impl<const ONE_RUN: bool> Given<ONE_RUN> {
    /// What was given. The number of threads is always given: it belongs to this machine, not to the run. `--batch-size auto`
    /// is not among it: it is settled once the data are there, and a resumed run keeps what it was.
    pub(crate) fn overrides(&self, environment: &Environment) -> Overrides {
        let threads = Some(environment.threads(self.overrides.threads));
        Overrides { threads, ..self.overrides.clone() }
    }

    fn rows() -> impl Iterator<Item = &'static Row> {
        Overrides::ROWS.iter().filter(|row| ONE_RUN || !row.of_one_run)
    }

    /// Whoever gives a folder or file for a data set says where it is, and not what it is called.
    fn take_place(&mut self) -> Result<(), Error> {
        let Some(place) = self.overrides.data.as_deref().and_then(plusx_data::as_place) else {
            return Ok(());
        };
        if let Some(folder) = &self.overrides.data_dir {
            let text =
                format!("--data {} and --data-dir {}: give one place\n", place.display(), folder.display());
            return Err(Error::raw(clap::error::ErrorKind::ArgumentConflict, text));
        }
        self.overrides.data_dir = Some(place.to_owned());
        self.overrides.data = None;
        self.is_place = true;
        Ok(())
    }

    fn read(&mut self, row: &Row, word: &OsStr) -> Result<(), String> {
        if row.key == "batch_size" {
            self.auto_batch = word == AUTO;
            if self.auto_batch {
                self.overrides.batch_size = None;
                return Ok(());
            }
        }
        (row.read)(&mut self.overrides, word)
    }
}

/// The option of a row.
fn option<const ONE_RUN: bool>(row: &'static Row) -> Arg {
    // only a single run starts from weights, or has defaults that its help can name
    let default = match row.default.split_once("; with --pretrained") {
        Some((default, _)) if !ONE_RUN => default,
        _ => row.default,
    };
    let help = match default {
        "" => row.help.to_owned(),
        default => format!("{} [default: {default}]", row.help),
    };
    let option = Arg::new(row.key).long(row.name).help(help);
    if row.value.is_empty() {
        return option.action(ArgAction::SetTrue);
    }
    let read = move |word: std::ffi::OsString| {
        Given::<ONE_RUN>::default().read(row, &word).map_err(|wrong| match row.key {
            "batch_size" => format!("not a whole number, nor {AUTO}"),
            _ => wrong,
        })?;
        Ok::<_, String>(word)
    };
    let option = option.value_name(row.value).value_parser(OsStringValueParser::new().try_map(read));
    match row.key {
        "batch_size" => option.visible_alias("batch").allow_negative_numbers(true),
        "smoothing" => option.visible_alias("label-smoothing"),
        "input" => option.conflicts_with("resize"),
        // refused with the range that makes sense
        _ => option.allow_negative_numbers(row.value == "X"),
    }
}

impl<const ONE_RUN: bool> Args for Given<ONE_RUN> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::rows().map(option::<ONE_RUN>))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const ONE_RUN: bool> FromArgMatches for Given<ONE_RUN> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for row in Self::rows() {
            let word = match row.value {
                "" => matches.get_flag(row.key).then_some(OsStr::new("true")),
                _ => matches.get_one::<std::ffi::OsString>(row.key).map(std::ffi::OsString::as_os_str),
            };
            let read = word.map_or(Ok(()), |word| self.read(row, word));
            read.map_err(|wrong| {
                Error::raw(clap::error::ErrorKind::ValueValidation, format!("--{}: {wrong}", row.name))
            })?;
        }
        self.take_place()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use plusx_engine::Level;
    use std::path::Path;

    #[derive(Parser)]
    #[command(args_override_self = true)]
    struct Line {
        #[command(flatten)]
        given: Given<true>,
    }

    fn given(words: &[&str]) -> Given<true> {
        Line::parse_from([&["plusx"], words].concat()).given
    }

    #[test]
    fn words_become_values() {
        let environment = Environment { data: None, cache: None, hub: None, threads: None };
        let found =
            given(&["--lr", "0.1", "--nesterov", "--input", "3x8x9", "--data-dir", "d", "--batch", "8"]);
        let found = found.overrides(&environment);
        assert_eq!((found.lr, found.nesterov, found.batch_size), (Some(0.1), Some(true), Some(8)));
        assert_eq!(found.input.map(|input| input.to_string()).as_deref(), Some("3x8x9"));
        assert_eq!(found.data_dir.as_deref(), Some(Path::new("d")));
        assert_eq!((found.exact, found.epochs), (None, None));
        assert!(found.threads.is_some());
    }

    #[test]
    fn auto_is_not_the_same_as_nothing() {
        let environment = Environment { data: None, cache: None, hub: None, threads: None };
        let isa = |words: &[&str]| given(words).overrides(&environment).isa;
        assert_eq!(isa(&[]), None);
        assert_eq!(isa(&["--isa", "auto"]), Some(None));
        assert_eq!(isa(&["--isa", "portable"]), Some(Some(Level::Portable)));
    }

    #[test]
    fn a_batch_size_is_a_number_or_auto() {
        let [none, auto, many] = [&[][..], &["--batch-size", "auto"], &["--batch-size", "64"]].map(given);
        assert!(!none.auto_batch && auto.auto_batch && !many.auto_batch);
        assert_eq!((auto.overrides.batch_size, many.overrides.batch_size), (None, Some(64)));
        assert!(Line::try_parse_from(["plusx", "--batch-size", "-3"]).is_err());
        assert!(Line::try_parse_from(["plusx", "--batch-size", "many"]).is_err());
        // of two the last counts
        let last = given(&["--batch-size", "64", "--batch-size", "auto"]);
        assert_eq!((last.auto_batch, last.overrides.batch_size), (true, None));
        let last = given(&["--batch-size", "auto", "--batch-size", "64"]);
        assert_eq!((last.auto_batch, last.overrides.batch_size), (false, Some(64)));
    }

    #[test]
    fn a_single_run_has_options_that_several_runs_have_not() {
        let keys = |command: Command| {
            command.get_arguments().map(|option| option.get_id().to_string()).collect::<Vec<_>>()
        };
        let [one, several] = [
            keys(Given::<true>::augment_args(Command::new("one"))),
            keys(Given::<false>::augment_args(Command::new("several"))),
        ];
        assert_eq!(one.len(), Overrides::ROWS.len());
        let only: Vec<&String> = one.iter().filter(|key| !several.contains(key)).collect();
        let transfer = ["freeze", "unfreeze_after", "cache_features", "feature_views"];
        let expected =
            [&["model", "pretrained"][..], &transfer, &["patience", "min_delta", "exist_ok", "time"]];
        assert_eq!(only, expected.concat());
    }
}
