//! `cargo xtask bench roofline`: every step of a training step of ours against what memory and arithmetic allow, the peers of
//! `bench train` beside them (Williams, Waterman, Patterson 2009, "Roofline: an insightful visual performance model").
//!
//! A step lies at its multiply-adds for each byte of the maps and filters that it touches, each counted once, and at the
//! GFLOP/s it reaches; of a Winograd algorithm those of its products. Of a peer only images a second are known: it is a
//! line, at the GFLOP/s of the direct convolutions that it stands for, and so are we.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::settings::Settings;
use super::turns::Contender;
use super::{chart, report, spread};
use crate::machine::Machine;
use crate::options::Options;

/// Bytes that each thread copies to measure the memory, far more than a cache holds; and how often.
const COPY: usize = 256 << 20;
const COPIES: usize = 5;

/// A step of the plan.
struct Step {
    name: String,
    /// Multiply-adds count two.
    flop_per_byte: f64,
    gflops: f64,
}

/// Measures and writes roofline.csv, roofline.md, roofline.svg and roofline.png; needs the train.csv of `bench train`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments, &["out"])?;
    let machine = Machine::look();
    let settings = Settings::read(&options, &Settings::usual(&machine))?;
    let folder = super::folder(root, &options, &machine, &[])?;
    let path = folder.join("train.csv");
    let peers = fs::read_to_string(&path)
        .with_context(|| format!("no {}: run `cargo xtask bench train` first", path.display()))?;
    let memory = bandwidth(machine.cores);
    let json = Contender::plusx(root, &settings, "train")?.alone(&settings, &["--profile"])?;
    let steps = steps(&json)?;
    let number = |name: &str| json[name].as_f64().with_context(|| format!("no number `{name}`"));
    let direct: f64 = list(&json)?.iter().filter_map(|step| step["direct_gflop"].as_f64()).sum();
    let per_image = direct / number("batch")?;
    let peak = number("direct_limit_img_per_s")? * per_image;
    let lines: Vec<(String, f64)> =
        contenders(&peers).into_iter().map(|(name, speed)| (name, speed * per_image)).collect();
    let points: Vec<(f64, f64)> = steps.iter().map(|step| (step.flop_per_byte, step.gflops)).collect();
    let text = summary(&machine, (peak, memory), &steps, &lines);
    report::write(&folder, &[("roofline.csv", csv(&steps)), ("roofline.md", text.clone())])?;
    chart::roofline((peak, memory), &points, &lines, &folder.join("roofline"))?;
    println!("{text}\nwritten to {}", folder.display());
    Ok(())
}

/// GB/s of a copy on `threads` threads, read and written bytes together.
fn bandwidth(threads: usize) -> f64 {
    let copy = || {
        let (from, mut to) = (vec![1u8; COPY], vec![0u8; COPY]);
        let begin = Instant::now();
        for _ in 0..COPIES {
            to.copy_from_slice(std::hint::black_box(&from));
            std::hint::black_box(&mut to);
        }
        (2 * COPIES * COPY) as f64 / 1e9 / begin.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(copy)).collect();
        all.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}

fn list(json: &Value) -> Result<&Vec<Value>> {
    json["profile"].as_array().context("no profile in what plusx printed")
}

/// The steps that multiply.
fn steps(json: &Value) -> Result<Vec<Step>> {
    let rows = list(json)?.iter().filter_map(|row| {
        let number = |name: &str| row[name].as_f64().filter(|number| *number > 0.0);
        let (gflop, mb, ms) = (number("gflop")?, number("mb")?, number("ms")?);
        let name = row["name"].as_str()?.to_owned();
        Some(Step { name, flop_per_byte: gflop * 1e3 / mb, gflops: gflop * 1e3 / ms })
    });
    Ok(rows.collect())
}

/// Median images a second of each contender of train.csv, in order.
fn contenders(csv: &str) -> Vec<(String, f64)> {
    let rows: Vec<(&str, f64)> = csv
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            Some((*fields.get(1)?, fields.get(8)?.parse().ok()?))
        })
        .collect();
    let mut names: Vec<&str> = Vec::new();
    rows.iter().for_each(|(name, _)| {
        if !names.contains(name) {
            names.push(name);
        }
    });
    let median = |name: &str| spread(rows.iter().filter(|row| row.0 == name).map(|row| row.1))[1];
    names.into_iter().map(|name| (name.to_owned(), median(name))).collect()
}

fn csv(steps: &[Step]) -> String {
    let mut text = String::from("step,flop_per_byte,gflops\n");
    for Step { name, flop_per_byte, gflops } in steps {
        let _ = writeln!(text, "{name},{flop_per_byte:.3},{gflops:.2}");
    }
    text
}

fn summary(machine: &Machine, (peak, memory): (f64, f64), steps: &[Step], lines: &[(String, f64)]) -> String {
    let mut text = format!(
        "# Roofline of a training step\n\n{}\nResNet-18 of the chapter, fp32, 1x96x96, batch 256. Peak {peak:.0} GFLOP/s, \
         measured by multiply-adds; memory {memory:.1} GB/s, measured by copies on every thread (read and written \
         together). A step left of {:.1} flop/byte cannot reach the peak if nothing it touches is in a cache.\n\n",
        machine.describe(),
        peak / memory
    );
    let mut bound: Vec<&Step> = steps.iter().filter(|step| step.flop_per_byte * memory < peak).collect();
    bound.sort_by(|a, b| a.flop_per_byte.total_cmp(&b.flop_per_byte));
    text.push_str(
        "Steps that memory would bound:\n\n| step | flop/byte | GFLOP/s | of the roof |\n|---|---|---|---|\n",
    );
    for Step { name, flop_per_byte, gflops } in bound {
        let share = 100.0 * gflops / (flop_per_byte * memory);
        let _ = writeln!(text, "| {name} | {flop_per_byte:.2} | {gflops:.1} | {share:.0} % |");
    }
    text.push_str("\nWhole steps, as direct convolutions would count (`train.csv`):\n\n| | GFLOP/s | of the peak |\n|---|---|---|\n");
    for (name, gflops) in lines {
        let _ = writeln!(text, "| {name} | {gflops:.0} | {:.0} % |", 100.0 * gflops / peak);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_come_from_the_table() {
        let csv = "round,contender,isa,threads,batch,a,b,c,img_per_s,rss,load\n\
                   1,plusx,avx2,2,256,1,1,1,160.0,1,1\n1,torch,avx2,2,256,1,1,1,60.0,1,1\n\
                   2,plusx,avx2,2,256,1,1,1,140.0,1,1\n";
        assert_eq!(contenders(csv), [("plusx".to_owned(), 150.0), ("torch".to_owned(), 60.0)]);
    }

    #[test]
    fn steps_without_arithmetic_are_no_points() {
        let json = serde_json::json!({ "profile": [
            { "name": "conv", "ms": 2.0, "gflop": 0.1, "direct_gflop": 0.4, "mb": 10.0 },
            { "name": "pool", "ms": 1.0, "gflop": 0.0, "direct_gflop": 0.0, "mb": 10.0 },
        ] });
        let steps = steps(&json).unwrap();
        assert_eq!((steps.len(), steps[0].flop_per_byte, steps[0].gflops), (1, 10.0, 50.0));
        let text = summary(&Machine::look(), (200.0, 10.0), &steps, &[("torch".to_owned(), 50.0)]);
        assert!(
            text.contains("| conv | 10.00 | 50.0 | 50 % |") && text.contains("| torch | 50 | 25 % |"),
            "{text}"
        );
    }
}
