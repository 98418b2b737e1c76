//! Options of a command: `--name value`, each known by name, each with a default.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Result, bail};

/// What was given on the command line.
#[derive(Debug)]
pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads `--name value` pairs; a name that is not in `known` is an error.
    pub(crate) fn parse(arguments: &[&str], known: &[&str]) -> Result<Self> {
        let mut given = BTreeMap::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(name) = argument.strip_prefix("--").filter(|name| known.contains(name)) else {
                bail!("no option `{argument}`; there are: --{}", known.join(", --"));
            };
            let Some(value) = rest.next() else { bail!("--{name} needs a value") };
            given.insert(name.to_owned(), (*value).to_owned());
        }
        Ok(Self(given))
    }

    /// The text given for `name`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value given for `name`, else `default`.
    pub(crate) fn value<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text.parse().or_else(|_| bail!("--{name}: `{text}` is no such value")),
        }
    }

    /// The count given for `name`, else `default`; 0 measures nothing and is an error.
    pub(crate) fn count(&self, name: &str, default: usize) -> Result<usize> {
        match self.value(name, default)? {
            0 => bail!("--{name} must be at least 1"),
            count => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let options = Options::parse(&["--steps", "7"], &["steps", "rounds"]).unwrap();
        assert_eq!(options.value("steps", 5).unwrap(), 7);
        assert_eq!(options.value("rounds", 3).unwrap(), 3);
        assert_eq!(options.text("rounds"), None);
    }

    #[test]
    fn mistakes_are_errors() {
        let known = ["steps"];
        assert!(Options::parse(&["--step", "7"], &known).unwrap_err().to_string().contains("--steps"));
        assert!(Options::parse(&["--steps"], &known).is_err());
        assert!(Options::parse(&["--steps", "0"], &known).unwrap().count("steps", 5).is_err());
        assert!(Options::parse(&["--steps", "many"], &known).unwrap().value("steps", 5).is_err());
    }
}
