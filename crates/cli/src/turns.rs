//! `plusx bench --turns`: steps run when standard input asks for them, so that programs can be measured in turns without
//! starting anew.

use crate::exit::usage;
use crate::screen::result;
use anyhow::{Context, Result};
use serde::Serialize;
use std::io::BufRead;

/// What runs before the steps of a turn, uncounted: the programs in between have had the caches.
const WARM_UP_MS: f64 = 50.0;

/// Steps of one turn at most: a slip of the hand must not occupy a machine for days.
const MOST_STEPS: usize = 1_000_000;

#[derive(Serialize)]
struct Ready {
    ready: bool,
}

#[derive(Serialize)]
struct Turn<'t> {
    step_ms: &'t [f64],
}

/// Runs `step`, which tells its milliseconds, as often as each line of standard input says; gives the times of all counted
/// steps.
///
/// # Errors
/// If a line is no number of steps, or the input ends before a step has run.
pub(crate) fn take(step: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    result(&serde_json::to_string(&Ready { ready: true })?)?;
    each_turn(std::io::stdin().lock(), step, |times| {
        result(&serde_json::to_string(&Turn { step_ms: times })?)?;
        Ok(())
    })
}

fn each_turn(
    input: impl BufRead,
    mut step: impl FnMut() -> Result<f64>,
    mut tell: impl FnMut(&[f64]) -> Result<()>,
) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for line in input.lines() {
        let line = line.context("standard input")?;
        let steps = line.trim().parse().ok().filter(|steps| (1..=MOST_STEPS).contains(steps));
        let steps: usize = steps.ok_or_else(|| {
            usage(format!(
                "--turns: standard input says {line:?}, not a number of steps from 1 to {MOST_STEPS}"
            ))
        })?;
        let mut warm = 0.0;
        while warm < WARM_UP_MS {
            warm += step()?;
        }
        let times = (0..steps).map(|_| step()).collect::<Result<Vec<_>>>()?;
        tell(&times)?;
        all.extend(times);
    }
    if all.is_empty() {
        return Err(usage("--turns: standard input ended before it asked for a step"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_counted_without_their_warm_up() -> Result<()> {
        let (mut count, mut told) = (0, Vec::new());
        let step = || {
            count += 1;
            Ok(20.0 + f64::from(count))
        };
        let all = each_turn(&b"2\n 1 \n"[..], step, |times| {
            told.push(times.to_vec());
            Ok(())
        })?;
        // 21, 22 and 23 are the first warm-up, 26 and 27 the second
        assert_eq!(told, [vec![24.0, 25.0], vec![28.0]]);
        assert_eq!(all, [24.0, 25.0, 28.0]);
        Ok(())
    }

    #[test]
    fn lines_that_are_no_number_of_steps_are_named() {
        for input in ["0", "x", "2000000", "-1"] {
            let error = each_turn(input.as_bytes(), || Ok(60.0), |_| Ok(())).unwrap_err();
            assert!(error.to_string().contains(input), "{error}");
        }
        let error = each_turn(&b""[..], || Ok(60.0), |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("ended before"), "{error}");
    }
}
