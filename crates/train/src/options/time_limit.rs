//! How long a run may take: the value of `--time`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// Whole seconds. Written `90s`, `20m`, `2h` or `1h30m`: hours, minutes and seconds, each at most once and in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TimeLimit(u64);

impl TimeLimit {
    /// So many epochs are more than fit into any time: what `--epochs` is beside `--time` if it is not given.
    pub(crate) const MOST_EPOCHS: u32 = 1_000_000;

    /// The shortest limit of whole seconds that is not below `time`.
    pub fn at_least(time: Duration) -> Self {
        Self(time.as_secs() + u64::from(time.subsec_nanos() > 0))
    }

    /// Seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [(self.0 / 3600, 'h'), (self.0 / 60 % 60, 'm'), (self.0 % 60, 's')];
        if self.0 == 0 {
            return f.write_str("0s");
        }
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

impl std::str::FromStr for TimeLimit {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        read(text)
            .map(Self)
            .ok_or_else(|| TrainError::option("time", text, "write `90s`, `20m`, `2h` or `1h30m`"))
    }
}

/// The seconds; nothing if it is no time.
fn read(text: &str) -> Option<u64> {
    let (mut rest, mut sum, mut largest) = (text.trim(), 0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        let letters = rest[digits..].find(|c: char| !c.is_ascii_alphabetic());
        let end = letters.map_or(rest.len(), |length| digits + length);
        let unit = match &rest[digits..end] {
            "h" => 3600,
            "m" | "min" => 60,
            "s" => 1,
            _ => return None,
        };
        if unit >= largest {
            return None;
        }
        largest = unit;
        sum = sum.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[end..];
    }
    (largest < u64::MAX).then_some(sum)
}

impl Serialize for TimeLimit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeLimit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, seconds, written) in [
            ("20m", 1200, "20m"),
            ("90s", 90, "1m30s"),
            ("2h", 7200, "2h"),
            ("1h30m", 5400, "1h30m"),
            ("1h5s", 3605, "1h5s"),
            ("3min", 180, "3m"),
            ("0s", 0, "0s"),
        ] {
            let time: TimeLimit = text.parse().unwrap();
            assert_eq!((time.seconds(), time.to_string().as_str()), (seconds, written));
            assert_eq!(written.parse::<TimeLimit>().unwrap(), time);
        }
        assert_eq!(TimeLimit::at_least(Duration::from_millis(2001)).seconds(), 3);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "20",
            "m",
            "1.5h",
            "-3s",
            "3s2m",
            "1m1m",
            "5 parsecs",
            "1h30",
            "epoch",
            "9999999999999999999h",
            "20steps",
        ] {
            assert!(text.parse::<TimeLimit>().is_err(), "{text}");
        }
    }
}
