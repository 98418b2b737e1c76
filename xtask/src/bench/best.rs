//! `cargo xtask bench best`: a training step of everybody at the batch size, and with the allocator, that suits it best.
//!
//! First every batch size with the system's allocator; then each at its own best batch size once more, with jemalloc and
//! tcmalloc in front of the system's.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::report::{self, Row};
use super::settings::Settings;
use super::spread;
use super::train::contenders;
use super::turns::{self, Measured};
use crate::machine::Machine;
use crate::options::Options;

/// Batch sizes to choose from.
const BATCHES: [usize; 4] = [32, 64, 128, 256];

/// Allocators, their libraries and where Linux distributions for 64-bit PCs keep them.
const ALLOCATORS: [(&str, &str); 2] = [
    ("jemalloc", "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"),
    ("tcmalloc", "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4"),
];

/// Measures and writes best.csv and best.md.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let known = ["rounds", "steps", "threads", "venv", "python", "mxnet-python", "out"];
    let options = Options::parse(arguments, &known)?;
    let machine = Machine::look();
    let usual = Settings::usual(&machine).with_rounds(2);
    let settings = Settings::read(&options, &usual)?;
    let folder = super::folder(root, &options, &machine, &usual.how())?;
    let (mut rows, mut absent) = (Vec::new(), BTreeSet::new());
    for batch in BATCHES {
        eprintln!("batch {batch}");
        let settings = settings.at_batch(batch);
        let (contenders, missing) = contenders(root, &settings, &options)?;
        let measured = turns::measure(&contenders, &settings)?;
        rows.extend(measured.rows);
        absent.extend(missing.iter().map(ToString::to_string));
        absent.extend(measured.absent.iter().map(|absent| format!("At batch {batch} {absent}")));
    }
    let mut text = format!(
        "# Everybody at its best\n\n{}\nTraining steps of the chapter's ResNet-18, fp32, 1x96x96, in turns: median images a \
         second of {} rounds of {} steps.\n\n## Batch sizes\n\n",
        machine.describe(),
        settings.rounds,
        settings.steps
    );
    table(&mut text, &rows);
    let Measured { rows: allocated, absent: missing } = allocators(root, (&settings, &options), &rows)?;
    absent.extend(missing.iter().map(ToString::to_string));
    text.extend(absent.iter().map(|line| format!("\n{line}.\n")));
    text.push_str("\n## Allocators, each at its best batch size\n\n");
    text.push_str(
        "In front of the system's by `LD_PRELOAD`, those of one contender in turns.\n\n| | batch | images/s |\n|---|---|---|\n",
    );
    for name in report::names(&allocated) {
        let _ =
            writeln!(text, "| {name} | {} | {:.1} |", batch_of(&allocated, name), median(&allocated, name));
    }
    rows.extend(allocated);
    let ours = best(&rows, |name| name.starts_with("plusx")).context("plusx was not measured")?;
    let peer = best(&rows, |name| !name.starts_with("plusx")).context("no peer was measured")?;
    let _ = writeln!(
        text,
        "\nAt their best: plusx {:.1} images/s ({}), the fastest peer {:.1} ({}): {:.2} times.",
        ours.1,
        ours.0,
        peer.1,
        peer.0,
        ours.1 / peer.1
    );
    report::write(&folder, &[("best.csv", report::csv(&rows)), ("best.md", text.clone())])?;
    println!("{text}\nwritten to {}", folder.display());
    Ok(())
}

/// Everybody at its best batch size, with each allocator that is there. The allocators of one contender take turns; all
/// contenders together would not fit into memory.
fn allocators(root: &Path, (settings, options): (&Settings, &Options), rows: &[Row]) -> Result<Measured> {
    let there: Vec<_> = ALLOCATORS.into_iter().filter(|(_, library)| Path::new(library).exists()).collect();
    for (allocator, library) in ALLOCATORS.iter().filter(|allocator| !there.contains(allocator)) {
        eprintln!("xtask: without {allocator}: {library} is not there");
    }
    let mut all = Measured { rows: Vec::new(), absent: Vec::new() };
    for name in report::names(rows) {
        let settings = settings.at_batch(batch_of(rows, name));
        let here =
            contenders(root, &settings, options)?.0.into_iter().find(|contender| contender.name == name);
        let Some(contender) = here else { continue };
        let mut variants = vec![contender.clone().named(format!("{name}, system's"))];
        variants.extend(there.iter().map(|(allocator, library)| {
            contender.clone().named(format!("{name}, {allocator}")).variable("LD_PRELOAD", library)
        }));
        let measured = turns::measure(&variants, &settings)?;
        all.rows.extend(measured.rows);
        all.absent.extend(measured.absent);
    }
    Ok(all)
}

/// Median images a second of a contender, over all of its rows.
fn median(rows: &[Row], name: &str) -> f64 {
    spread(report::of(rows, name).map(|row| row.images_per_s))[1]
}

/// Its rows at one batch size.
fn at(rows: &[Row], name: &str, batch: usize) -> Option<f64> {
    let own: Vec<f64> =
        report::of(rows, name).filter(|row| row.batch == batch as f64).map(|row| row.images_per_s).collect();
    (!own.is_empty()).then(|| spread(own)[1])
}

/// The batch size at which a contender is fastest.
fn batch_of(rows: &[Row], name: &str) -> usize {
    let speed = |batch: &usize| at(rows, name, *batch).unwrap_or(0.0);
    BATCHES.into_iter().max_by(|a, b| speed(a).total_cmp(&speed(b))).unwrap_or(BATCHES[0])
}

/// The fastest, and what it was: name and batch.
fn best(rows: &[Row], who: impl Fn(&str) -> bool) -> Option<(String, f64)> {
    let names = report::names(rows).into_iter().filter(|name| who(name));
    let speeds = names.flat_map(|name| {
        BATCHES
            .into_iter()
            .filter_map(move |batch| Some((format!("{name}, batch {batch}"), at(rows, name, batch)?)))
    });
    speeds.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Images a second by contender and batch size.
fn table(text: &mut String, rows: &[Row]) {
    let head: Vec<String> = BATCHES.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "| | {} |\n|---|{}", head.join(" | "), "---|".repeat(BATCHES.len()));
    for name in report::names(rows) {
        let cells: Vec<String> =
            BATCHES.map(|batch| at(rows, name, batch).map_or("-".to_owned(), |s| format!("{s:.1}"))).into();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::row;

    #[test]
    fn everybody_has_a_best_batch() {
        let at_batch = |name: &str, batch: f64, speed: f64| Row { batch, ..row(1, name, speed) };
        let rows =
            [at_batch("plusx", 32.0, 90.0), at_batch("plusx", 256.0, 80.0), at_batch("peer", 64.0, 50.0)];
        assert_eq!((batch_of(&rows, "plusx"), batch_of(&rows, "peer")), (32, 64));
        assert_eq!(best(&rows, |name| name == "plusx"), Some(("plusx, batch 32".to_owned(), 90.0)));
        let mut text = String::new();
        table(&mut text, &rows);
        assert!(text.contains("| plusx | 90.0 | - | - | 80.0 |"), "{text}");
    }
}
