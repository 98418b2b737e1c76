//! `plusx lr-find`: the range test of the learning rate.

use crate::disk;
use crate::environment::Environment;
use crate::exit;
use crate::given::Given;
use crate::learning::{LearningArguments, Wanted};
use crate::memory::{self, Advice, Runs};
use crate::screen::{can_draw, note, result};
use crate::signals::{Heard, listen};
use crate::train;
use anyhow::Result;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use plusx_train::{Event, Overrides, RangeEnd, RangeOutcome, RangeReport, Stop, TrainOptions, lr_find};

/// Where the tests lie without `--output`.
const OUTPUT: &str = "runs/lr-find";

/// Steps between two lines of progress.
const TELL_EVERY: u64 = 10;

/// Options of a run that have no part in a range test, by their keys. They are taken, so that a command line of `train` does here,
/// and not listed.
const IDLE: [&str; 24] = [
    "epochs",
    "lr",
    "model_ema_decay",
    "sched",
    "sched_per",
    "warmup_epochs",
    "warmup_lr",
    "warmup_overlap",
    "min_lr",
    "cooldown_epochs",
    "decay_epochs",
    "decay_rate",
    "decay_milestones",
    "patience_epochs",
    "patience",
    "min_delta",
    "save_every",
    "time",
    "max_steps",
    "measure_every",
    "measure_limit",
    "unfreeze_after",
    "cache_features",
    "feature_views",
];

/// Options of `plusx lr-find`.
#[derive(Debug, Args)]
pub(crate) struct LrFindArguments {
    #[command(flatten)]
    given: RangeGiven,
    /// Fetch the data set if it is nowhere, or damaged in the cache folder
    #[arg(long)]
    download: bool,
    /// Address of a folder with the data set's files, for --download
    #[arg(long, value_name = "URL", requires = "download")]
    mirror: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The options of a run, of which some are idle.
#[derive(Clone, Debug, Default)]
struct RangeGiven {
    run: Given<true>,
    /// Names of idle options that were given.
    idle: Vec<&'static str>,
}

impl Args for RangeGiven {
    fn augment_args(command: Command) -> Command {
        let command = Given::<true>::augment_args(command);
        let command =
            IDLE.iter().fold(command, |command, key| command.mut_arg(key, |option| option.hide(true)));
        command.mut_arg("output", |option| {
            option.help(format!("Folder that holds the tests [default: {OUTPUT}]"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RangeGiven {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let run = Given::from_arg_matches(matches)?;
        let is_given = |key: &str| matches.value_source(key) == Some(ValueSource::CommandLine);
        let rows = Overrides::ROWS.iter().filter(|row| IDLE.contains(&row.key) && is_given(row.key));
        Ok(Self { run, idle: rows.map(|row| row.name).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &LrFindArguments, environment: &Environment) -> Result<u8> {
    let LrFindArguments { given: RangeGiven { run, idle }, download, mirror, json } = arguments;
    let data = LearningArguments { download: *download, mirror: mirror.clone(), dry_run: false, json: *json };
    let given = run.overrides(environment);
    let mut options = train::begun(&given, environment)?;
    if given.output.is_none() {
        options.output = OUTPUT.into();
    }
    for name in idle {
        note(&format!("--{name} has no part in a range test"));
    }
    let wanted = Wanted { given: &given, options: &options, keeps: false };
    let found = data.find_data(&wanted, environment)?;
    let options = found.name(options);
    let dataset = found.dataset;
    let mut runs = Runs::of([&options], &dataset)?;
    let batch_size = match run.auto_batch {
        true => memory::auto_batch(options.batch_size, &mut runs),
        false => options.batch_size,
    };
    let options = TrainOptions { batch_size, ..options };
    environment.mind_threads(options.threads);
    runs.check(options.batch_size, Advice::BatchOrAuto)?;
    drop(runs);
    let stop = Stop::new();
    listen(&stop, |heard| match heard {
        Heard::First(signal) => {
            note(&format!("{}: finishing the step (Ctrl-C once more leaves at once)", signal.name()))
        }
        Heard::Leaving => note("leaving at once; the folder of the test stays, without its files"),
    })?;
    let ended = lr_find(&options, dataset, &stop, &mut watch);
    match disk::told(ended, None) {
        Ok(RangeOutcome::Done(report)) => {
            tell(&report, &options, *json)?;
            Ok(exit::DONE)
        }
        Ok(RangeOutcome::Interrupted(signal)) => {
            note("stopped; nothing was kept");
            Ok(signal.exit_code())
        }
        Err(code) => Ok(code),
    }
}

fn watch(event: &Event) {
    match event {
        Event::Range(point) if can_draw() || point.step % TELL_EVERY == 0 => note(&format!(
            "step {}: rate {:.2e}, loss {:.4}, smoothed {:.4}",
            point.step, point.lr, point.loss, point.smoothed
        )),
        Event::Warning { message } => note(&format!("warning: {message}")),
        _ => {}
    }
}

/// The suggestion on stdout, how to use it on stderr.
fn tell(report: &RangeReport, options: &TrainOptions, json: bool) -> Result<()> {
    if json {
        result(&serde_json::to_string(report)?)?;
    }
    let [steps, batch] = [report.steps.to_string(), report.batch_size.to_string()];
    note(&match report.end {
        RangeEnd::Steps => {
            format!("all {steps} steps are made; the smallest smoothed loss is {:.4}", report.best_loss)
        }
        RangeEnd::Diverged => format!(
            "stopped after {steps} steps, as the loss blew up; the smallest smoothed loss is {:.4}",
            report.best_loss
        ),
    });
    note(&format!("the curve is {}, its numbers are {}", report.png.display(), report.csv.display()));
    let Some(lr) = report.lr else {
        if !json {
            result("no suggestion: the loss does not fall at any rate")?;
        }
        note("look at the curve; other data, weights or --batch-size may help");
        return Ok(());
    };
    if !json {
        result(&format!("suggested learning rate: {lr:?}"))?;
    }
    note(&format!(
        "it is for --opt {}, --momentum {} and --batch-size {batch}:\n  plusx train --lr {lr:?} and the options given here",
        options.opt, options.momentum
    ));
    Ok(())
}
