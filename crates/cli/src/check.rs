//! `plusx check`: what is in a data set, and what would spoil training on it.

use crate::check_text::CheckSummary;
use crate::data_arguments::DataOptions;
use crate::environment::Environment;
use crate::exit;
use crate::machine_arguments::at_least_one;
use crate::screen::{can_draw, note, result};
use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plusx_data::{CheckOptions, CheckReport, Dataset, FindingKind};
use plusx_formats::atomic;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The list of what was found.
const BAD_FILES: &str = "bad_files.csv";

/// Options of `plusx check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Where the pictures are; or fashion-mnist; or fashion-mnist-mini, the sample inside this program; or with --data-dir a kind
    /// of data set
    #[arg(value_name = "DATA", required_unless_present = "data_dir")]
    data: Option<String>,
    #[command(flatten)]
    options: DataOptions,
    /// Side of the network's input in pixels: pictures with a shorter side are remarked upon
    #[arg(long, value_name = "N", default_value_t = CheckOptions::default().side)]
    resize: usize,
    /// Folder to write bad_files.csv into, with everything that was found; one that is there is replaced
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Exit with code 3 if anything should be mended: leaks, pictures with two labels, unreadable files, classes with names alike,
    /// without pictures or without any to learn from
    #[arg(long)]
    strict: bool,
    /// Threads to decode with
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &CheckArguments, environment: &Environment) -> Result<u8> {
    let wanted = arguments.options.wanted(arguments.data.as_deref(), environment)?;
    if let Some(output) = &arguments.output {
        // before an hour of decoding
        std::fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    }
    let set = plusx_data::open(wanted.name, &wanted.find, &mut note)?;
    environment.mind_threads(arguments.threads);
    let options = CheckOptions { threads: environment.threads(arguments.threads), side: arguments.resize };
    let report = {
        let bar = bar(&set);
        let report = plusx_data::check(&set, &options, &|now| bar.set_position(now as u64));
        bar.finish_and_clear();
        report?
    };
    let list = arguments.output.as_ref().map(|folder| folder.join(BAD_FILES));
    if let Some(list) = &list {
        write(list, &report)?;
    }
    match arguments.json {
        true => result(&json(&set, &report).to_string())?,
        false => result(&CheckSummary { set: &set, report: &report, list: list.as_deref() }.text())?,
    }
    Ok(if arguments.strict && report.must_be_mended() { exit::TO_MEND } else { exit::DONE })
}

/// A bar on a terminal.
fn bar(set: &Dataset) -> ProgressBar {
    let target = if can_draw() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let pictures: usize = set.splits().map(|(_, samples)| samples.len()).sum();
    let bar = ProgressBar::with_draw_target(Some(pictures as u64), target);
    let style =
        ProgressStyle::with_template("reading {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar
}

/// Everything that was found, as a table.
fn write(path: &Path, report: &CheckReport) -> Result<()> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["path", "reason", "kind"])?;
    for finding in &report.findings {
        table.write_record([&finding.path, &finding.reason, finding.kind.name()])?;
    }
    Ok(atomic::write(path, &table.into_inner()?)?)
}

fn json(set: &Dataset, report: &CheckReport) -> Value {
    let splits = report.splits.iter().map(|split| {
        let counts =
            report.classes.iter().zip(&split.counts).map(|(class, count)| (class.clone(), json!(count)));
        (split.name.to_owned(), Value::Object(counts.collect()))
    });
    let counts =
        FindingKind::ALL.iter().map(|kind| (kind.name().to_owned(), json!(report.of_kind(*kind).len())));
    let findings = report.findings.iter().map(
        |finding| json!({ "kind": finding.kind.name(), "path": finding.path, "reason": finding.reason }),
    );
    json!({
        "data": set.name,
        "source": set.source,
        "readable": report.readable,
        "classes": report.classes,
        "splits": splits.collect::<Map<_, _>>(),
        "must_be_mended": report.must_be_mended(),
        "counts": counts.collect::<Map<_, _>>(),
        "findings": findings.collect::<Vec<_>>(),
    })
}
