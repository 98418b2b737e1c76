//! `cargo xtask bench scaling`: how the time of a training step grows with the batch, the image and the threads, and how
//! it would shrink on more cores than there are.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Bench;
use crate::command::capture;
use crate::machine::load;

/// Batches of the chapter's images, each twice the one before.
const BATCHES: [usize; 7] = [16, 32, 64, 128, 256, 512, 1024];

/// Sizes of square images at a batch of [`SIZES_BATCH`].
const SIZES: [usize; 5] = [32, 64, 96, 160, 224];
const SIZES_BATCH: usize = 64;

/// Threads that the prediction is for.
const THREADS: [usize; 4] = [2, 8, 16, 64];

/// The fastest of some calls of `plusx bench train`.
struct Point {
    /// Rows and columns of an image.
    side: usize,
    batch: usize,
    /// Whether it is that of one thread, with the times of each plan step.
    alone: bool,
    ms: f64,
    /// What that call printed.
    json: Value,
}

impl Point {
    fn unmeasured(side: usize, batch: usize, alone: bool) -> Self {
        Self { side, batch, alone, ms: f64::INFINITY, json: Value::Null }
    }

    fn label(&self) -> String {
        let how = if self.alone { " --threads 1" } else { "" };
        format!("{0}x{0}, batch {1}{how}", self.side, self.batch)
    }

    /// Measures once more.
    fn measure(&mut self, plusx: &Path, steps: usize) -> Result<()> {
        let (input, batch) = (format!("1x{0}x{0}", self.side), self.batch.to_string());
        let mut command = Command::new(plusx);
        command.args(["bench", "train", "--json", "--steps", &steps.to_string()]);
        command.args(["--input", &input, "--batch-size", &batch]);
        if self.alone {
            command.args(["--threads", "1", "--profile"]);
        }
        let json: Value = serde_json::from_str(capture(&mut command)?.trim())?;
        let ms = json["step_ms_median"].as_f64().context("no step_ms_median")?;
        eprintln!("{}: {ms:.1} ms", self.label());
        if ms < self.ms {
            (self.ms, self.json) = (ms, json);
        }
        Ok(())
    }
}

/// Measures and writes scaling.csv and scaling.md.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let known = [("rounds", "3"), ("steps", "3")];
    let bench = Bench::start(root, arguments, &known, &["rounds", "steps"])?;
    let (rounds, steps) = (bench.options.count("rounds")?, bench.options.count("steps")?);
    let before = load();
    let mut batches = BATCHES.map(|batch| Point::unmeasured(96, batch, false));
    let mut sizes = SIZES.map(|side| Point::unmeasured(side, SIZES_BATCH, false));
    let mut threads = [true, false].map(|alone| Point::unmeasured(96, 256, alone));
    // neighbours on a shared machine only ever take time away: rounds minutes apart, and the fastest of each point
    for _ in 0..rounds {
        let points = batches.iter_mut().chain(&mut sizes).chain(&mut threads);
        points.into_iter().try_for_each(|point| point.measure(&bench.plusx, steps))?;
    }
    let mut text = format!(
        "# Growth\n\n{}- load before: {before:.1}\n\nWhole training steps of the chapter's ResNet-18, fp32, median of {steps} \
         after 3 warm-ups, the least of {rounds} rounds.\n",
        bench.machine.describe()
    );
    growth(&mut text, "the batch", &batches, |point| point.batch);
    growth(&mut text, "the image", &sizes, |point| point.side * point.side);
    let [one, all] = &threads;
    // writing to a string cannot fail
    let _ = writeln!(
        text,
        "\n## With the threads\n\n{} threads take {:.0} ms where one takes {:.0} ms: {:.2} times as fast.\n",
        bench.machine.cores,
        all.ms,
        one.ms,
        one.ms / all.ms
    );
    prediction(&mut text, &TimedStep::all(&one.json)?);
    let mut csv = String::from("point,images,pixels,ms\n");
    for point in batches.iter().chain(&sizes).chain(&threads) {
        let pixels = point.side * point.side;
        let _ = writeln!(csv, "\"{}\",{},{pixels},{:.3}", point.label(), point.batch, point.ms);
    }
    bench.finish("scaling", &csv, &text)
}

/// A table of time for each unit of `size`, beside that of the row before.
fn growth(text: &mut String, what: &str, points: &[Point], size: impl Fn(&Point) -> usize) {
    let _ = writeln!(
        text,
        "\n## With {what}\n\n| | ms | ms for each unit, in those of the row before |\n|---|---|---|"
    );
    let mut before: Option<f64> = None;
    for point in points {
        let each = point.ms / size(point) as f64;
        let ratio = before.map_or("-".to_owned(), |before| format!("{:.3}", each / before));
        let _ = writeln!(text, "| {} | {:.1} | {ratio} |", point.label(), point.ms);
        before = Some(each);
    }
}

/// A step of the plan on one thread.
struct TimedStep {
    name: String,
    pieces: usize,
    ms: f64,
}

impl TimedStep {
    /// Those of a profile.
    fn all(json: &Value) -> Result<Vec<Self>> {
        let read = |step: &Value| {
            let name = step["name"].as_str()?.to_owned();
            Some(Self { name, pieces: step["pieces"].as_u64()? as usize, ms: step["ms"].as_f64()? })
        };
        let steps = json["profile"].as_array().context("`plusx bench` printed no profile")?;
        steps
            .iter()
            .map(|step| read(step).with_context(|| format!("a step without numbers: {step}")))
            .collect()
    }
}

/// What list scheduling of the measured pieces gives: steps follow each other, the pieces of a step are equal, and a thread
/// that is free takes the next one.
fn prediction(text: &mut String, steps: &[TimedStep]) {
    let total = |threads: usize| -> f64 {
        steps.iter().map(|step| step.ms / step.pieces as f64 * step.pieces.div_ceil(threads) as f64).sum()
    };
    let one = total(1);
    text.push_str(
        "## On more cores\n\nPredicted from the times of one thread by list scheduling: the pieces of a step are taken as \
         equal, the steps follow each other. What it leaves out: shared memory bandwidth and third-level cache, and the \
         barrier between steps (some microseconds, about 150 times).\n\n| threads | ms | times as fast as one |\n|---|---|---|\n",
    );
    for threads in THREADS {
        let _ = writeln!(text, "| {threads} | {:.0} | {:.1} |", total(threads), one / total(threads));
    }
    let mut few: Vec<_> = steps.iter().filter(|step| step.pieces < 64 && step.ms > 0.001 * one).collect();
    few.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    text.push_str(
        "\nSteps of more than 0.1 % of the time with fewer than 64 pieces, which are what limits it:\n\n",
    );
    for TimedStep { name, pieces, ms } in few {
        let _ = writeln!(text, "- {name}: {pieces} pieces, {ms:.1} ms");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_a_unit() {
        let point = |batch: usize, ms: f64| Point { ms, ..Point::unmeasured(96, batch, false) };
        let mut text = String::new();
        growth(&mut text, "the batch", &[point(16, 10.0), point(32, 21.0)], |point| point.batch);
        for row in ["| 96x96, batch 16 | 10.0 | - |", "| 96x96, batch 32 | 21.0 | 1.050 |"] {
            assert!(text.contains(row), "{text}");
        }
    }

    #[test]
    fn a_step_of_few_pieces_does_not_scale() {
        let step = |name: &str, pieces| TimedStep { name: name.to_owned(), pieces, ms: 64.0 };
        let mut text = String::new();
        prediction(&mut text, &[step("wide", 64), step("narrow", 4)]);
        // 64 threads: 1 ms and 16 ms
        assert!(text.contains("| 64 | 17 | 7.5 |"), "{text}");
        assert!(text.contains("- narrow: 4 pieces") && !text.contains("- wide"), "{text}");
    }
}
