//! Options of a command: `--name value`, each known by name, each with a default.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Result, bail};

/// Names and their defaults; an empty default stands for none.
pub(crate) type Defaults<'d> = &'d [(&'static str, &'static str)];

/// The values of a command's options.
#[derive(Debug)]
pub(crate) struct CommandOptions {
    values: BTreeMap<&'static str, String>,
    defaults: BTreeMap<&'static str, &'static str>,
}

impl CommandOptions {
    /// Reads `--name value` pairs over the defaults; a name without a default is an error.
    pub(crate) fn parse(arguments: &[&str], defaults: Defaults<'_>) -> Result<Self> {
        let defaults: BTreeMap<_, _> = defaults.iter().copied().collect();
        let mut values: BTreeMap<_, _> =
            defaults.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let known = argument.strip_prefix("--").and_then(|name| values.get_mut(name));
            let Some(value) = known else {
                let names: Vec<&str> = defaults.keys().copied().collect();
                bail!("no option `{argument}`; there are: --{}", names.join(", --"));
            };
            let Some(given) = rest.next() else { bail!("{argument} needs a value") };
            (*given).clone_into(value);
        }
        Ok(Self { values, defaults })
    }

    /// The text of an option, if it has one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The value of an option.
    pub(crate) fn value<T: FromStr>(&self, name: &str) -> Result<T> {
        let text = self.text(name).unwrap_or_default();
        text.parse().or_else(|_| bail!("--{name}: `{text}` is no such value"))
    }

    /// The count that an option gives; 0 measures nothing and is an error.
    pub(crate) fn count(&self, name: &str) -> Result<usize> {
        match self.value(name)? {
            0 => bail!("--{name} must be at least 1"),
            count => Ok(count),
        }
    }

    /// The default of an option that has another value.
    pub(crate) fn changed(&self, name: &str) -> Option<&'static str> {
        let default = self.defaults.get(name)?;
        (self.values[name] != *default).then_some(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let known = [("steps", "5"), ("rounds", "3"), ("out", "")];
        let options = CommandOptions::parse(&["--steps", "7", "--rounds", "3"], &known).unwrap();
        assert_eq!((options.count("steps").unwrap(), options.count("rounds").unwrap()), (7, 3));
        assert_eq!((options.changed("steps"), options.changed("rounds")), (Some("5"), None));
        assert_eq!((options.text("rounds"), options.text("out")), (Some("3"), None));
    }

    #[test]
    fn mistakes_are_errors() {
        let read = |arguments: &[&str]| CommandOptions::parse(arguments, &[("steps", "5")]);
        assert!(read(&["--step", "7"]).unwrap_err().to_string().contains("--steps"));
        assert!(read(&["--steps"]).is_err());
        for wrong in ["0", "many"] {
            assert!(read(&["--steps", wrong]).unwrap().count("steps").is_err());
        }
    }
}
