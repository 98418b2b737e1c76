//! `plusx compare`: several networks under one recipe, seed by seed, and what came of it.

use crate::cache::{self, CacheMode};
use crate::disk;
use crate::environment::Environment;
use crate::exit;
use crate::given::Given;
use crate::learning::{FoundData, LearningArguments, Wanted};
use crate::memory::{self, Advice, Runs};
use crate::plan_text::comparison_text;
use crate::resume_command::resume_command;
use crate::screen::{note, result};
use crate::watch::Watcher;
use anyhow::Result;
use clap::Args;
use plusx_data::Dataset;
use plusx_model::summary::thousands;
use plusx_train::{CompareOptions, CompareOverrides, Compared, Comparison, Findings, Stop, TrainOptions};
use serde::Serialize;
use std::path::PathBuf;

/// What `--help` says after the options.
const RECIPES: &str = "\
The options of what is learnt, and how long, hold for every run. Without any of them: 28x28, 750 steps of 120 images, \
learning rate 0.02, momentum 0.9, weight decay 1e-4, half an hour on two cores for the default networks. With one of them, \
the others have the defaults above, so that each run is the one that plusx train makes of the same options.";

/// Options of `plusx compare`. Those of the recipe hold for every run.
#[derive(Debug, Args)]
#[command(after_help = RECIPES)]
pub(crate) struct CompareArguments {
    /// Networks from the zoo, at least two [default: plain20,plain56,resnet20,resnet56]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    models: Option<Vec<String>>,
    /// Runs of each network, from --seed and the seeds that follow it [default: 3]
    #[arg(long, value_name = "N")]
    seeds: Option<u32>,
    #[command(flatten)]
    given: Given<false>,
    #[command(flatten)]
    learning: LearningArguments,
    /// Keep decoded pictures: in memory, on disk, or not; auto: where there is room. The result does not depend on it
    #[arg(long, value_name = "auto|ram|disk|off", default_value = "auto", hide_possible_values = true)]
    cache: CacheMode,
    /// Continue a comparison that was stopped: its folder, or nothing for the newest that is not finished
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, conflicts_with = "dry_run")]
    resume: Option<Option<PathBuf>>,
}

/// Runs the command.
pub(crate) fn run(arguments: &CompareArguments, environment: &Environment) -> Result<u8> {
    let train = arguments.given.overrides(environment);
    let changes = CompareOverrides { models: arguments.models.clone(), seeds: arguments.seeds, train };
    let learning = &arguments.learning;
    let (comparison, dataset, needed) = match &arguments.resume {
        Some(run) => resume(run.as_ref(), &changes, learning, environment)?,
        None => {
            let options = changes.resolve()?;
            let wanted = Wanted { given: &changes.train, options: &options.train, keeps: false };
            let found = learning.find_data(&wanted, environment)?;
            let options = CompareOptions { train: found.name(options.train), ..options };
            let dataset = found.dataset;
            let mut runs = runs(&options, &dataset)?;
            let batch_size = match arguments.given.auto_batch {
                true => memory::auto_batch(options.train.batch_size, &mut runs),
                false => options.train.batch_size,
            };
            let train = TrainOptions { batch_size, ..options.train };
            let train = changes.train.with_rate(train)?;
            let options = CompareOptions { train, ..options };
            environment.mind_threads(options.train.threads);
            if learning.dry_run {
                let plan = plusx_train::plan_comparison(&options, &dataset)?;
                result(&if learning.json { serde_json::to_string(&plan)? } else { comparison_text(&plan) })?;
                runs.check(batch_size, Advice::BatchOrAuto)?;
                return Ok(exit::DONE);
            }
            runs.check(batch_size, Advice::BatchOrAuto)?;
            let needed = runs.bytes(batch_size).unwrap_or(u64::MAX);
            (Comparison::create(&options, &dataset)?, dataset, needed)
        }
    };
    let dataset = cache::keep(arguments.cache, dataset, &comparison.options().train, needed)?;
    let stop = Stop::new();
    let mut watcher = Watcher::new(learning.json);
    crate::signals::listen(&stop, watcher.on_signal())?;
    let compared = comparison.run(&dataset, &stop, &mut watcher);
    watcher.close();
    let compared = match disk::told(compared, watcher.resume_command()) {
        Ok(compared) => compared,
        Err(code) => return Ok(code),
    };
    match compared {
        Compared::Done(findings) => {
            tell(&findings, learning.json)?;
            note(&format!("results in {}", findings.folder.display()));
            Ok(exit::DONE)
        }
        Compared::Interrupted { signal, folder } => {
            note(&format!("saved; to continue:\n  {}", resume_command("compare", &folder)));
            Ok(signal.exit_code())
        }
    }
}

/// A comparison that was stopped, its data, and the memory of one of its runs.
fn resume(
    run: Option<&PathBuf>,
    changes: &CompareOverrides,
    learning: &LearningArguments,
    environment: &Environment,
) -> Result<(Comparison, Dataset, u64)> {
    let output = changes.train.output.clone();
    let output = output.unwrap_or_else(|| CompareOptions::default().train.output);
    let run = run.cloned().or(changes.train.name.as_ref().map(PathBuf::from));
    let comparison = Comparison::open(run.as_deref(), &output, changes)?;
    if let Some(why) = comparison.why() {
        note(why);
    }
    let options = &comparison.options().train;
    let wanted = Wanted { given: &changes.train, options, keeps: true };
    let FoundData { dataset, data_dir } = learning.find_data(&wanted, environment)?;
    let comparison = comparison.reading_from(data_dir);
    let options = comparison.options();
    environment.mind_threads(options.train.threads);
    let mut runs = runs(options, &dataset)?;
    runs.check(options.train.batch_size, Advice::Keep)?;
    let needed = runs.bytes(options.train.batch_size).unwrap_or(u64::MAX);
    Ok((comparison, dataset, needed))
}

/// One run of each network.
fn runs(options: &CompareOptions, dataset: &Dataset) -> Result<Runs> {
    options.check()?;
    let of = |model: &String| TrainOptions { model: model.clone(), ..options.train.clone() };
    let runs: Vec<TrainOptions> = options.models.iter().map(of).collect();
    Runs::of(&runs, dataset)
}

/// The findings on stdout.
fn tell(findings: &Findings, json: bool) -> Result<()> {
    if !json {
        return result(&findings_text(findings));
    }
    for model in &findings.models {
        result(&line("model", model)?)?;
    }
    for pair in &findings.deeper {
        result(&line("deeper", pair)?)?;
    }
    for claim in &findings.claims {
        result(&line("claim", claim)?)?;
    }
    Ok(())
}

/// One JSON object with the field `event`, as those of a run.
fn line<T: Serialize>(event: &'static str, value: &T) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        event: &'static str,
        #[serde(flatten)]
        value: &'a T,
    }
    Ok(serde_json::to_string(&Line { event, value })?)
}

/// A table and sentences, for people.
fn findings_text(findings: &Findings) -> String {
    let name = findings.models.iter().map(|model| model.model.len()).max().unwrap_or(0).max(7);
    let row = |cells: [&str; 5]| {
        let [model, seeds, steps, train, test] = cells;
        format!("{model:name$}  {seeds:>5}  {steps:>6}  {train:>16}  {test:>16}")
    };
    let mut lines = vec![row(["network", "seeds", "steps", "training error %", "test error %"])];
    lines.extend(findings.models.iter().map(|model| {
        let (seeds, steps) = (model.seeds.to_string(), thousands(model.step));
        let train = model.train_error.percent(model.train_images);
        row([&model.model, &seeds, &steps, &train, &model.test_error.percent(model.test_images)])
    }));
    lines.extend(findings.deeper.iter().map(plusx_train::Deeper::line));
    lines.extend(findings.claims.iter().map(plusx_train::Claim::line));
    if findings.deeper.is_empty() {
        lines.push("no two of these networks differ in their number of layers only".into());
    }
    lines.join("\n")
}
