//! When checkpoints are written, besides the end of every epoch.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

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

impl SaveEvery {
    /// Whether it ever comes. `args.yaml` counts in whole seconds, and a step count of 0 would never be due.
    pub(super) fn is_ever_due(self) -> bool {
        match self {
            SaveEvery::Epoch => true,
            SaveEvery::Time(time) => time.as_secs() > 0,
            SaveEvery::Steps(steps) => steps > 0,
        }
    }
}

impl std::fmt::Display for SaveEvery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SaveEvery::Epoch => f.write_str("epoch"),
            SaveEvery::Steps(steps) => write!(f, "{steps}steps"),
            SaveEvery::Time(time) => match time.as_secs() {
                0 => write!(f, "{}s", time.as_secs_f64()),
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
}
