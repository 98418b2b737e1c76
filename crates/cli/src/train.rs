//! `plusx train`: a new run, a resumed run, or only the plan of one.

use crate::disk;
use crate::environment::Environment;
use crate::exit::{self, not_there};
use crate::memory::{self, Advice, Runs};
use crate::recipe::{RecipeArguments, find_data};
use crate::screen::{note, result};
use crate::watch::{Watcher, plan_text};
use anyhow::Result;
use clap::Args;
use plusx_data::{Preparation, source_of, weights_path};
use plusx_model::zoo;
use plusx_train::{Outcome, Overrides, PretrainedFile, Stop, TrainError, TrainOptions};
use std::path::{Path, PathBuf};

/// Options of `plusx train`. Defaults shown are those of the recipe.
#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// Network from the zoo [default: resnet18-d2l; with --pretrained the one that the weights say they are of]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Start from trained weights: a weight file of plusx, anything that plusx import reads, or the name of a network whose
    /// weights plusx weights get has fetched. A classifier for other classes starts anew
    #[arg(long, value_name = "FILE|NAME")]
    pretrained: Option<PathBuf>,
    #[command(flatten)]
    recipe: RecipeArguments,
    /// Folder that holds the runs [default: runs/train]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Use the named folder even if it exists, and replace the run in it
    #[arg(long)]
    exist_ok: bool,
    /// Continue a run that was stopped: its folder, or nothing for the newest that is not finished
    #[arg(long, value_name = "RUN", num_args = 0..=1, conflicts_with_all = ["exist_ok", "dry_run"])]
    resume: Option<Option<PathBuf>>,
}

/// Runs the command.
pub(crate) fn run(arguments: &TrainArguments, environment: &Environment) -> Result<u8> {
    if let Some(run) = &arguments.resume {
        return resume(arguments, environment, run.as_deref());
    }
    let given = arguments.overrides(environment);
    let mut options = given.resolve()?;
    if let Some(pretrained) = &arguments.pretrained {
        start_from(pretrained, &given, &mut options, environment)?;
    }
    let dataset = find_data(&arguments.recipe, environment, &mut options, false)?;
    let mut runs = Runs::of([&options], &dataset)?;
    memory::settle(arguments.recipe.batch_size, &mut options, &mut runs)?;
    environment.mind_threads(options.threads);
    if arguments.recipe.dry_run {
        let plan = plusx_train::plan(&options, &dataset)?;
        let text = if arguments.recipe.json { serde_json::to_string(&plan)? } else { plan_text(&plan) };
        result(&text)?;
        runs.check(options.batch_size, Advice::BatchOrAuto)?;
        return Ok(exit::DONE);
    }
    runs.check(options.batch_size, Advice::BatchOrAuto)?;
    disk::warn(&options.output, runs.files());
    // its plans and parameters are the engine's from here on
    drop(runs);
    let stop = Stop::new();
    let mut watcher = Watcher::new(arguments.recipe.json);
    crate::signals::listen(&stop, watcher.on_signal())?;
    let outcome = plusx_train::run(options, dataset, &stop, &mut watcher);
    Ok(finish(outcome, &mut watcher))
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
    let fetched = environment.cache.as_ref().map(|cache| weights_path(cache, spec.name));
    match fetched {
        Some(file) if file.is_file() => {
            if given.model.is_none() {
                options.model = spec.name.into();
            }
            // files of the hub do not say how pictures were prepared for them
            let preparation = source_of(spec.name).map_or(Preparation::USUAL, |source| source.preparation);
            let usual = preparation.record(spec);
            let file = PretrainedFile { name: &name, path: &file, usual: Some(usual) };
            Ok(options.start_from(file, given)?)
        }
        _ => {
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

fn resume(arguments: &TrainArguments, environment: &Environment, run: Option<&Path>) -> Result<u8> {
    let changes = arguments.overrides(environment);
    let output = changes.output.clone().unwrap_or_else(|| TrainOptions::default().output);
    let run = run.or(changes.name.as_deref().map(Path::new));
    let mut saved = plusx_train::open(run, &output, &changes)?;
    if let Some(why) = saved.why() {
        note(why);
    }
    let dataset = find_data(&arguments.recipe, environment, &mut saved.options, true)?;
    environment.mind_threads(saved.options.threads);
    Runs::of([&saved.options], &dataset)?.check(saved.options.batch_size, Advice::Keep)?;
    let stop = Stop::new();
    let mut watcher = Watcher::new(arguments.recipe.json);
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
        Ok(_) => exit::DONE,
        Err(code) => code,
    }
}

/// The exact command that resumes `run`: this very program, by a path that works from here.
pub(crate) fn resume_command(command: &str, run: &Path) -> String {
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
    format!("{program} {command} --resume {}", quote(&run.to_string_lossy()))
}

impl TrainArguments {
    /// What was given on the command line.
    fn overrides(&self, environment: &Environment) -> Overrides {
        Overrides {
            model: self.model.clone(),
            pretrained: self.pretrained.as_ref().map(|name| name.to_string_lossy().into_owned()),
            output: self.output.clone(),
            exist_ok: self.exist_ok.then_some(true),
            ..self.recipe.overrides(environment)
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
