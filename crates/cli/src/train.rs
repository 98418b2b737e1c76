//! `plusx train`: a new run, a resumed run, or only the plan of one.

use crate::cache::{self, CacheMode};
use crate::disk;
use crate::environment::Environment;
use crate::exit::{self, not_there, usage};
use crate::given::Given;
use crate::learning::{FoundData, LearningArguments, Wanted};
use crate::memory::{self, Advice, Runs};
use crate::names::FASHION_MNIST;
use crate::plan_text::run_text;
use crate::resume_command::resume_command;
use crate::screen::{note, result};
use crate::smoke::{self, SmokeRun};
use crate::watch::Watcher;
use anyhow::Result;
use clap::Args;
use plusx_data::{Dataset, Preparation, source_of, weights_path};
use plusx_model::preprocess::Preset;
use plusx_model::zoo;
use plusx_train::{
    Outcome, Overrides, PictureFacts, Pictures, PretrainedFile, RecipeChoice, Stop, TrainError, TrainOptions,
};
use std::path::{Path, PathBuf};

/// Options of `plusx train`. Defaults shown are those of the recipe.
#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    #[command(flatten)]
    given: Given<true>,
    #[command(flatten)]
    learning: LearningArguments,
    /// Make a run again: its args.yaml; what is given beside it goes before what it says
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["recipe", "resume"])]
    config: Option<PathBuf>,
    /// Keep decoded pictures: in memory, on disk, or not; auto: where there is room. The result does not depend on it
    #[arg(long, value_name = "auto|ram|disk|off", default_value = "auto", hide_possible_values = true)]
    cache: CacheMode,
    /// Continue a run that was stopped: its folder, or nothing for the newest that is not finished
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["exist_ok", "dry_run"])]
    resume: Option<Option<PathBuf>>,
    /// Try everything out in four steps, say how long the run would take, and delete what was written
    #[arg(long, conflicts_with_all = ["resume", "dry_run"])]
    smoke: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &TrainArguments, environment: &Environment) -> Result<u8> {
    let given = arguments.given.overrides(environment);
    if let Some(run) = &arguments.resume {
        return resume(arguments, environment, &given, run.as_deref());
    }
    let options = match &arguments.config {
        Some(config) => again(config, &given, environment)?,
        None => begun(&given, environment)?,
    };
    // a run that is made again keeps its data, unless it is told others
    let keeps = arguments.config.is_some() && given.data.is_none() && given.data_dir.is_none();
    let wanted = Wanted { given: &given, options: &options, keeps };
    let found = arguments.learning.find_data(&wanted, environment)?;
    let choice = choice(arguments, &given, &found.dataset);
    let options = match &choice {
        Some(choice) => with_weights(choice.resolve(&given)?, &given, environment)?,
        None => options,
    };
    let options = found.name(options);
    choice.iter().for_each(|choice| note(&choice.words(&options)));
    let dataset = found.dataset;
    let mut runs = Runs::of([&options], &dataset)?;
    let batch_size = match arguments.given.auto_batch {
        true => memory::auto_batch(options.batch_size, &mut runs),
        false => options.batch_size,
    };
    let options = TrainOptions { batch_size, ..options };
    // a run that is made again keeps its rate
    let options = if arguments.config.is_some() { options } else { given.with_rate(options)? };
    environment.mind_threads(options.threads);
    if arguments.learning.dry_run {
        let plan = plusx_train::plan(&options, &dataset)?;
        let text = if arguments.learning.json { serde_json::to_string(&plan)? } else { run_text(&plan) };
        result(&text)?;
        runs.check(options.batch_size, Advice::BatchOrAuto)?;
        return Ok(exit::DONE);
    }
    runs.check(options.batch_size, Advice::BatchOrAuto)?;
    disk::warn(&options.output, runs.files());
    let needed = runs.bytes(options.batch_size).unwrap_or(u64::MAX);
    let mode = arguments.cache.of(runs.read_once());
    // its plans and parameters are the engine's from here on
    drop(runs);
    if arguments.smoke {
        let of = SmokeRun { dataset, cache: mode, needed, json: arguments.learning.json };
        return smoke::run(&options, of);
    }
    let dataset = cache::keep(mode, dataset, &options, needed)?;
    let stop = Stop::new();
    let mut watcher = Watcher::new(arguments.learning.json);
    crate::signals::listen(&stop, watcher.on_signal())?;
    let outcome = plusx_train::run(options, dataset, &stop, &mut watcher);
    Ok(finish(outcome, &mut watcher))
}

/// The recipe that suits pictures of the user's own, where none was named.
fn choice(arguments: &TrainArguments, given: &Overrides, dataset: &Dataset) -> Option<RecipeChoice> {
    // the chapter's data have the chapter's recipe, wherever they lie
    let is_place = arguments.given.is_place && dataset.name != FASHION_MNIST;
    let is_open = given.recipe.is_none() && arguments.config.is_none();
    let has_weights = given.pretrained.is_some();
    (is_place && is_open).then(|| RecipeChoice::of(PictureFacts::of(dataset), has_weights))
}

/// The options of a new run: what was given, over what the weights say that it starts from, over the recipe.
pub(crate) fn begun(given: &Overrides, environment: &Environment) -> Result<TrainOptions> {
    with_weights(given.resolve()?, given, environment)
}

/// These options with the weights that the run starts from, if it does, and what they decide.
fn with_weights(
    mut options: TrainOptions,
    given: &Overrides,
    environment: &Environment,
) -> Result<TrainOptions> {
    if let Some(pretrained) = &given.pretrained {
        start_from(pretrained, given, &mut options, environment)?;
    }
    Ok(options)
}

/// The options of a run that is made again: what was given, over what its `args.yaml` says. Weights that it started from must be
/// the same, unless others are given.
fn again(config: &Path, given: &Overrides, environment: &Environment) -> Result<TrainOptions> {
    let saved = TrainOptions::read(config)?;
    let mut options = given.over(saved)?;
    let Some(before) = options.pretrained.take() else {
        if let Some(pretrained) = &given.pretrained {
            start_from(pretrained, given, &mut options, environment)?;
        }
        return Ok(options);
    };
    let file = given.pretrained.clone().unwrap_or_else(|| PathBuf::from(&before.name));
    // nothing is open that the weights would decide
    let pictures = options.preprocess.clone().unwrap_or_else(|| Pictures::preset(Preset::D2l));
    let decided = Overrides {
        model: Some(options.model.clone()),
        resize: Some(options.resize),
        preprocess: Some(pictures),
        ..given.clone()
    };
    start_from(&file, &decided, &mut options, environment)?;
    let now = options.pretrained.as_ref().map(|pretrained| pretrained.sha256.as_str());
    if given.pretrained.is_none() && now != Some(before.sha256.as_str()) {
        return Err(usage(format!(
            "{}: the run started from other weights than those that {} holds now (SHA-256 {}); --pretrained FILE takes these",
            config.display(),
            before.name,
            before.sha256
        )));
    }
    Ok(options)
}

/// Finds the weights that a run starts from: a file, else what was fetched for a network of the zoo.
fn start_from(
    pretrained: &Path,
    given: &Overrides,
    options: &mut TrainOptions,
    environment: &Environment,
) -> Result<()> {
    let name = pretrained.to_string_lossy();
    if pretrained.exists() {
        let file = PretrainedFile { name: &name, path: pretrained, usual: None };
        return Ok(options.start_from(file, given)?);
    }
    let Ok(spec) = zoo::find(&name) else {
        return Err(not_there(format!(
            "--pretrained {name}: there is no such file, and no network of that name"
        )));
    };
    let source = source_of(spec.name);
    let fetched = environment.cache.as_ref().map(|cache| weights_path(cache, spec.name));
    match fetched {
        Some(file) if file.is_file() => {
            if given.model.is_none() {
                options.model = spec.name.into();
            }
            // files of the hub do not say how pictures were prepared for them
            let preparation = source.map_or(Preparation::USUAL, |source| source.preparation);
            let usual = preparation.record(spec);
            let file = PretrainedFile { name: &name, path: &file, usual: Some(usual) };
            Ok(options.start_from(file, given)?)
        }
        _ => {
            // a network that nobody trained is not to be fetched either
            source?;
            let place = fetched.map_or_else(
                || "the cache folder, which is not set".into(),
                |file| file.display().to_string(),
            );
            Err(not_there(format!(
                "--pretrained {name}: there is no such file, and no weights of {name} at {place}: plusx weights get {name} \
                 fetches them"
            )))
        }
    }
}

fn resume(
    arguments: &TrainArguments,
    environment: &Environment,
    changes: &Overrides,
    run: Option<&Path>,
) -> Result<u8> {
    let output = changes.output.clone().unwrap_or_else(|| TrainOptions::default().output);
    let run = run.or(changes.name.as_deref().map(Path::new));
    let saved = plusx_train::open(run, &output, changes)?;
    if let Some(why) = saved.why() {
        note(why);
    }
    let wanted = Wanted { given: changes, options: saved.options(), keeps: true };
    let FoundData { dataset, data_dir } = arguments.learning.find_data(&wanted, environment)?;
    let saved = saved.reading_from(data_dir);
    let options = saved.options();
    environment.mind_threads(options.threads);
    let mut runs = Runs::of([options], &dataset)?;
    runs.check(options.batch_size, Advice::Keep)?;
    let needed = runs.bytes(options.batch_size).unwrap_or(u64::MAX);
    let mode = arguments.cache.of(runs.read_once());
    drop(runs);
    let dataset = cache::keep(mode, dataset, options, needed)?;
    let stop = Stop::new();
    let mut watcher = Watcher::new(arguments.learning.json);
    crate::signals::listen(&stop, watcher.on_signal())?;
    let outcome = plusx_train::resume(saved, dataset, &stop, &mut watcher);
    Ok(finish(outcome, &mut watcher))
}

/// Says how a run ended, if it is not done, and how to go on; the exit code.
fn finish(outcome: Result<Outcome, TrainError>, watcher: &mut Watcher) -> u8 {
    watcher.close();
    match disk::told(outcome, watcher.resume_command()) {
        Ok(Outcome::Interrupted { signal, run, .. }) => {
            note(&format!("saved; to continue:\n  {}", resume_command("train", &run)));
            signal.exit_code()
        }
        Ok(Outcome::NotBegun { signal }) => {
            note("stopped before the run began; nothing was written");
            signal.exit_code()
        }
        Ok(_) => exit::DONE,
        Err(code) => code,
    }
}
