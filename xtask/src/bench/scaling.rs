//! `cargo xtask bench scaling`: how the time of a training step grows with the batch, the image and the threads, and how
//! it would shrink on more cores than there are.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
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
    label: String,
    images: usize,
    /// Pixels of an image.
    pixels: usize,
    ms: f64,
    /// What that call printed.
    json: Value,
}

/// Measures and writes scaling.csv and scaling.md.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let known = [("rounds", "3"), ("steps", "3")];
    let bench = Bench::start(root, arguments, &known, &["rounds", "steps"])?;
    let (rounds, steps) = (bench.options.count("rounds")?, bench.options.count("steps")?);
    let before = load();
    let point = |size: usize, batch: usize, more: &[&str]| -> Result<Point> {
        let mut command = Command::new(&bench.plusx);
        command.args(["bench", "train", "--json", "--steps", &steps.to_string()]);
        command.args(["--input", &format!("1x{size}x{size}"), "--batch-size", &batch.to_string()]).args(more);
        let json: Value = serde_json::from_str(capture(&mut command)?.trim())?;
        let ms = json["step_ms_median"].as_f64().context("no step_ms_median")?;
        let label = format!("{size}x{size}, batch {batch} {}", more.join(" "));
        eprintln!("{label}: {ms:.1} ms");
        Ok(Point { label, images: batch, pixels: size * size, ms, json })
    };
    let one: &[&str] = &["--threads", "1", "--profile"];
    let wanted: Vec<(usize, usize, &[&str])> = BATCHES
        .iter()
        .map(|batch| (96, *batch, &[][..]))
        .chain(SIZES.iter().map(|size| (*size, SIZES_BATCH, &[][..])))
        .chain([(96, 256, one), (96, 256, &[])])
        .collect();
    // neighbours on a shared machine only ever take time away: rounds minutes apart, and the fastest of each point
    let mut points: Vec<Point> = Vec::new();
    for round in 0..rounds {
        for (index, (size, batch, more)) in wanted.iter().enumerate() {
            let measured = point(*size, *batch, more)?;
            if round == 0 {
                points.push(measured);
            } else if measured.ms < points[index].ms {
                points[index] = measured;
            }
        }
    }
    let (batches, rest) = points.split_at(BATCHES.len());
    let (sizes, rest) = rest.split_at(SIZES.len());
    let [one, all] = rest else { bail!("{} points are left", rest.len()) };
    let mut text = format!(
        "# Growth\n\n{}- load before: {before:.1}\n\nWhole training steps of the chapter's ResNet-18, fp32, median of {steps} \
         after 3 warm-ups, the least of {rounds} rounds.\n",
        bench.machine.describe()
    );
    growth(&mut text, "the batch", batches, |point| point.images as f64);
    growth(&mut text, "the image", sizes, |point| point.pixels as f64);
    // writing to a string cannot fail
    let _ = writeln!(
        text,
        "\n## With the threads\n\n{} threads take {:.0} ms where one takes {:.0} ms: {:.2} times as fast.\n",
        bench.machine.cores,
        all.ms,
        one.ms,
        one.ms / all.ms
    );
    prediction(&mut text, &steps_of(&one.json)?);
    let mut csv = String::from("point,images,pixels,ms\n");
    for Point { label, images, pixels, ms, .. } in &points {
        let _ = writeln!(csv, "\"{}\",{images},{pixels},{ms:.3}", label.trim());
    }
    bench.finish("scaling", &csv, &text)
}

/// A table of time for each unit of `size`, beside that of the row before.
fn growth(text: &mut String, what: &str, points: &[Point], size: impl Fn(&Point) -> f64) {
    let _ = writeln!(
        text,
        "\n## With {what}\n\n| | ms | ms for each unit, in those of the row before |\n|---|---|---|"
    );
    for (index, point) in points.iter().enumerate() {
        let each = |point: &Point| point.ms / size(point);
        let ratio = if index == 0 {
            "-".to_owned()
        } else {
            format!("{:.3}", each(point) / each(&points[index - 1]))
        };
        let _ = writeln!(text, "| {} | {:.1} | {ratio} |", point.label.trim(), point.ms);
    }
}

/// Pieces and milliseconds on one thread of every step of the plan.
fn steps_of(json: &Value) -> Result<Vec<(String, usize, f64)>> {
    let Some(steps) = json["profile"].as_array() else { bail!("`plusx bench` printed no profile") };
    let step = |step: &Value| {
        let name = step["name"].as_str()?.to_owned();
        Some((name, usize::try_from(step["pieces"].as_u64()?).ok()?, step["ms"].as_f64()?))
    };
    steps
        .iter()
        .map(|value| step(value).with_context(|| format!("a step without numbers: {value}")))
        .collect()
}

/// What list scheduling of the measured pieces gives: steps follow each other, the pieces of a step are equal, and a thread
/// that is free takes the next one.
fn prediction(text: &mut String, steps: &[(String, usize, f64)]) {
    let total = |threads: usize| -> f64 {
        steps.iter().map(|(_, pieces, ms)| ms / *pieces as f64 * pieces.div_ceil(threads) as f64).sum()
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
    let mut few: Vec<&(String, usize, f64)> =
        steps.iter().filter(|(_, pieces, ms)| *pieces < 64 && *ms > 0.001 * one).collect();
    few.sort_by(|a, b| b.2.total_cmp(&a.2));
    text.push_str(
        "\nSteps of more than 0.1 % of the time with fewer than 64 pieces, which are what limits it:\n\n",
    );
    for (name, pieces, ms) in few {
        let _ = writeln!(text, "- {name}: {pieces} pieces, {ms:.1} ms");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_a_unit() {
        let point = |images: usize, ms: f64| Point {
            label: format!("batch {images}"),
            images,
            pixels: 1,
            ms,
            json: Value::Null,
        };
        let mut text = String::new();
        growth(&mut text, "the batch", &[point(16, 10.0), point(32, 21.0)], |point| point.images as f64);
        assert!(
            text.contains("| batch 16 | 10.0 | - |") && text.contains("| batch 32 | 21.0 | 1.050 |"),
            "{text}"
        );
    }

    #[test]
    fn a_step_of_few_pieces_does_not_scale() {
        let mut text = String::new();
        prediction(&mut text, &[("wide".to_owned(), 64, 64.0), ("narrow".to_owned(), 4, 64.0)]);
        // 64 threads: 1 ms and 16 ms
        assert!(text.contains("| 64 | 17 | 7.5 |"), "{text}");
        assert!(text.contains("- narrow: 4 pieces") && !text.contains("- wide"), "{text}");
    }
}
