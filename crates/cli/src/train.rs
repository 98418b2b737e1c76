//! `plusx train`: a new run, a resumed run, or only the plan of one.

use crate::arguments::{Isa, SAMPLE, at_least_one, isa};
use crate::environment::Environment;
use crate::exit::{self, Usage};
use crate::screen::{note, result};
use crate::watch::{Watcher, plan_text};
use anyhow::Result;
use clap::Args;
use plusx_data::{DataError, Dataset, FindOptions};
use plusx_train::{Outcome, Overrides, Recipe, SaveEvery, Stop, TrainOptions};
use std::path::{Path, PathBuf};

/// Options of `plusx train`. Defaults shown are those of the recipe.
#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// Named set of defaults: d2l is the chapter's run [default: d2l]
    #[arg(long, value_name = "NAME")]
    recipe: Option<Recipe>,
    /// Network from the zoo [default: resnet18-d2l]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Data set: fashion-mnist, or fashion-mnist-mini, the sample inside this program [default: fashion-mnist, or
    /// the sample if that is nowhere]
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// Folder with the data set's files [default: $PLUSX_DATA, the cache folder, /usr/share/datasets]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Fetch the data set if it is nowhere, or damaged in the cache folder
    #[arg(long)]
    download: bool,
    /// Address of a folder with the data set's files, for --download
    #[arg(long, value_name = "URL", requires = "download")]
    mirror: Option<String>,
    /// Side of the square images are resized to, in pixels [default: 96]
    #[arg(long, value_name = "N")]
    resize: Option<usize>,
    /// Passes over the training images [default: 5]
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Images per step [default: 256]
    #[arg(long, visible_alias = "batch", value_name = "N")]
    batch_size: Option<usize>,
    /// Learning rate [default: 0.05]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lr: Option<f32>,
    /// Momentum of gradient descent [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    momentum: Option<f32>,
    /// Use Nesterov's momentum
    #[arg(long)]
    nesterov: bool,
    /// Weight decay [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    weight_decay: Option<f32>,
    /// Seed of the initial weights and of the order of the images [default: 42]
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Threads to compute with; the result does not depend on it [default: $RAYON_NUM_THREADS, $OMP_NUM_THREADS, or
    /// what the system grants]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// Instruction set: auto, avx512, avx2 or portable [default: auto]
    #[arg(long, value_name = "LEVEL", value_parser = isa)]
    isa: Option<Isa>,
    /// Direct convolutions only, no Winograd algorithms: slower, rounded otherwise
    #[arg(long)]
    exact: bool,
    /// Folder that holds the runs [default: runs/train]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Name of the run's folder [default: exp, exp2, ...]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Use the named folder even if it exists, and replace the run in it
    #[arg(long)]
    exist_ok: bool,
    /// Continue a run that was stopped: its folder, or nothing for the newest
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["exist_ok", "dry_run"])]
    resume: Option<Option<PathBuf>>,
    /// Save this often, besides after each epoch: 10m, 90s, 1h, 20steps or epoch [default: 10m]
    #[arg(long, value_name = "WHEN")]
    save_every: Option<SaveEvery>,
    /// Stop after this many steps in all; --resume --epochs N lifts it
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Train on this many of the images only
    #[arg(long, value_name = "N")]
    train_limit: Option<usize>,
    /// Print the plan and stop
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object a line instead of the chapter's lines
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &TrainArguments, environment: &Environment) -> Result<u8> {
    if let Some(run) = &arguments.resume {
        return resume(arguments, environment, run.as_deref());
    }
    let mut options = arguments.overrides(environment).resolve()?;
    let dataset = find_data(arguments, environment, &mut options)?;
    if arguments.dry_run {
        let plan = plusx_train::plan(&options, &dataset)?;
        let text = if arguments.json { serde_json::to_string(&plan)? } else { plan_text(&plan) };
        result(&text)?;
        return Ok(exit::DONE);
    }
    let stop = Stop::new();
    let mut watcher = Watcher::new(arguments.json);
    crate::signals::listen(&stop, watcher.on_signal())?;
    let outcome = plusx_train::run(&options, dataset, &stop, &mut watcher);
    watcher.close();
    finish(outcome?)
}

fn resume(arguments: &TrainArguments, environment: &Environment, run: Option<&Path>) -> Result<u8> {
    let changes = arguments.overrides(environment);
    let output = changes.output.clone().unwrap_or_else(|| TrainOptions::default().output);
    let run = run.or(changes.name.as_deref().map(Path::new));
    let mut saved = plusx_train::open(run, &output, &changes)?;
    let dataset = find_data(arguments, environment, &mut saved.options)?;
    let stop = Stop::new();
    let mut watcher = Watcher::new(arguments.json);
    crate::signals::listen(&stop, watcher.on_signal())?;
    let outcome = plusx_train::resume(saved, dataset, &stop, &mut watcher);
    watcher.close();
    finish(outcome?)
}

/// Says how to go on after a signal; the exit code.
fn finish(outcome: Outcome) -> Result<u8> {
    match outcome {
        Outcome::Interrupted { signal, run, .. } => {
            note(&format!("saved; to continue:\n  {}", resume_command(&run)));
            Ok(signal.exit_code())
        }
        _ => Ok(exit::DONE),
    }
}

/// The exact command that resumes `run`: this very program, by a path that works from here.
fn resume_command(run: &Path) -> String {
    let program = std::env::args_os().next().unwrap_or_else(|| "plusx".into());
    let quote = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            text.to_string()
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    };
    let program = quote(&program.to_string_lossy());
    format!("{program} train --resume {}", quote(&run.to_string_lossy()))
}

/// The data set; the embedded sample if a new run asked for none and the full one is nowhere.
fn find_data(
    arguments: &TrainArguments,
    environment: &Environment,
    options: &mut TrainOptions,
) -> Result<Dataset> {
    let find = environment.find(options.data_dir.as_deref());
    let loaded = plusx_data::load(&options.data, &find);
    if arguments.download && fetching_helps(&loaded, environment, &options.data, &find) {
        return fetch_data(arguments, environment, options);
    }
    let error = match loaded {
        Err(error) if error.is_not_found() => error,
        other => return Ok(other?),
    };
    if arguments.data.is_some() || options.data_dir.is_some() || arguments.resume.is_some() {
        return Err(error.into());
    }
    options.data = SAMPLE.into();
    note(&format!("{error}\ntraining on the sample inside this program instead: {SAMPLE}"));
    Ok(plusx_data::load(SAMPLE, &find)?)
}

/// Whether the data set is nowhere, or what would be used is a damaged one in the cache folder, which a download mends.
fn fetching_helps(
    loaded: &Result<Dataset, DataError>,
    environment: &Environment,
    name: &str,
    find: &FindOptions,
) -> bool {
    let in_cache = || {
        let cache = environment.cache.as_ref().map(|cache| cache.join(name));
        cache.is_some() && plusx_data::locate(name, find) == cache
    };
    match loaded {
        Ok(dataset) => in_cache() && dataset.check_origin(&dataset.fingerprint()).is_err(),
        Err(error) => error.is_not_found() || in_cache(),
    }
}

/// Downloads the data set into the cache folder and loads it from there.
fn fetch_data(
    arguments: &TrainArguments,
    environment: &Environment,
    options: &mut TrainOptions,
) -> Result<Dataset> {
    if let Some(folder) = &arguments.data_dir {
        let folder = folder.display();
        return Err(Usage(format!(
            "{} is not in {folder}, and --download fetches into the cache folder, where --data-dir {folder} forbids to \
             look: leave --data-dir out",
            options.data
        ))
        .into());
    }
    let folder = crate::data::fetch(environment, None, arguments.mirror.as_ref())?;
    note(&format!("fetched into {}", folder.display()));
    // a resumed run whose own folder is gone goes on with this one
    options.data_dir = options.data_dir.take().map(|_| folder);
    Ok(plusx_data::load(&options.data, &environment.find(options.data_dir.as_deref()))?)
}

impl TrainArguments {
    /// What was given on the command line. The number of threads is always given: it belongs to this machine, not to
    /// the run.
    fn overrides(&self, environment: &Environment) -> Overrides {
        Overrides {
            recipe: self.recipe,
            model: self.model.clone(),
            data: self.data.clone(),
            data_dir: self.data_dir.clone(),
            resize: self.resize,
            epochs: self.epochs,
            batch_size: self.batch_size,
            lr: self.lr,
            momentum: self.momentum,
            nesterov: self.nesterov.then_some(true),
            weight_decay: self.weight_decay,
            seed: self.seed,
            threads: Some(environment.threads(self.threads)),
            isa: self.isa.map(|isa| isa.0),
            exact: self.exact.then_some(true),
            output: self.output.clone(),
            name: self.name.clone(),
            exist_ok: self.exist_ok.then_some(true),
            save_every: self.save_every,
            max_steps: self.max_steps,
            train_limit: self.train_limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        train: TrainArguments,
    }

    #[test]
    fn auto_is_not_the_same_as_nothing() {
        let environment = Environment { data: None, cache: None, hub: None, threads: None };
        let isa = |words: &[&str]| {
            let line = Line::parse_from([&["plusx"], words].concat());
            line.train.overrides(&environment).isa
        };
        assert_eq!(isa(&[]), None);
        assert_eq!(isa(&["--resume", "--isa", "auto"]), Some(None));
    }
}
