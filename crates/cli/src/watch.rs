//! What a run shows while it goes on: the chapter's lines or JSON on stdout, plan, progress and results on stderr.

use crate::plan_text::{comparison_text, run_text};
use crate::resume_command::resume_command;
use crate::screen::{can_draw, duration, note, result};
use crate::signals::Heard;
use crate::standing::Standing;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plusx_model::words::{counted, percent};
use plusx_train::{
    BestAccuracy, CompareRun, CompareRunDone, EpochReport, Event, FeatureReport, Observer, RunPosition,
    RunReport, SaveReason, Signal, Started, StepEvent,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Without a terminal, one line of progress is written at most this often.
const SPARSE: Duration = Duration::from_secs(30);

/// Prints what it hears.
#[derive(Debug)]
pub(crate) struct Watcher {
    json: bool,
    /// Hidden unless stderr is a terminal.
    bar: ProgressBar,
    draws: bool,
    /// When the last sparse line was written.
    spoke: Option<Instant>,
    /// Nobody reads stdout any more.
    deaf: bool,
    /// Which run of a comparison this is; its lines are then no results, and its plan is known.
    run: Option<String>,
    /// What leaving would lose, for the thread that hears signals.
    standing: Arc<Mutex<Standing>>,
}

impl Watcher {
    /// `json`: one object a line on stdout instead of the chapter's lines.
    pub(crate) fn new(json: bool) -> Self {
        let draws = can_draw();
        let target = if draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { json, bar, draws, spoke: None, deaf: false, run: None, standing: Arc::default() }
    }

    /// What to tell when signals come, from the thread that tells of them.
    pub(crate) fn on_signal(&self) -> impl Fn(Heard) + Send + 'static {
        let (bar, standing) = (self.bar.clone(), Arc::clone(&self.standing));
        move |heard| {
            let text = match heard {
                Heard::First(signal) => stopping(signal),
                Heard::Leaving => leaving(&lock(&standing)),
            };
            bar.suspend(|| note(&text));
        }
    }

    /// How to go on with the run, once it has a folder: the command.
    pub(crate) fn resume_command(&self) -> Option<String> {
        let standing = lock(&self.standing);
        standing.resumes().map(|(command, folder)| resume_command(command, folder))
    }

    /// Takes the bar off the screen.
    pub(crate) fn close(&mut self) {
        self.bar.finish_and_clear();
    }

    /// A result. A closed stdout does not end a run: the numbers are in results.csv too.
    fn result(&mut self, line: &str) {
        if self.deaf {
            return;
        }
        if self.bar.suspend(|| result(line)).is_err() {
            self.deaf = true;
            self.note("nobody reads the output any more; the run goes on, its results go to its folder");
        }
    }

    fn note(&self, line: &str) {
        self.bar.suspend(|| note(line));
    }

    fn started(&mut self, started: &Started) {
        if let Some(RunPosition { epoch, steps }) = started.resumed {
            self.note(&format!("continuing {} in epoch {epoch} after step {steps}", started.run.display()));
        } else {
            self.note(&format!("writing to {}", started.run.display()));
        }
        if !self.json && self.run.is_none() {
            self.result(&format!("training on {}", started.context));
        }
    }

    fn step(&mut self, step: &StepEvent) {
        let StepEvent { loss, accuracy, img_per_s, .. } = step;
        let left = duration(step.eta);
        if self.draws {
            self.bar.set_prefix(format!("{}epoch {}/{}", self.prefix(), step.epoch, step.epochs));
            self.bar.set_length(step.steps);
            let wait = if step.data_wait > 0.1 { ", waiting for data" } else { "" };
            self.bar.set_message(format!(
                "loss {loss:.4} acc {accuracy:.3} {img_per_s:.1} img/s{wait}, {left} left"
            ));
            self.bar.set_position(step.step);
        } else if self.spoke.is_none_or(|time| time.elapsed() >= SPARSE) {
            self.spoke = Some(Instant::now());
            self.note(&format!(
                "{}epoch {}/{} step {}/{}: loss {loss:.4}, acc {accuracy:.3}, {img_per_s:.1} img/s, \
                 data wait {:.3} s, {left} left",
                self.prefix(),
                step.epoch,
                step.epochs,
                step.step,
                step.steps,
                step.data_wait
            ));
        }
    }

    fn evaluating(&mut self, epoch: u32, done: usize, total: usize) {
        if self.draws {
            self.bar.set_prefix(format!("{}epoch {epoch} test", self.prefix()));
            self.bar.set_length(total as u64);
            self.bar.set_message("images");
            self.bar.set_position(done as u64);
        }
    }

    fn keeping(&mut self, done: usize, total: usize) {
        if self.draws {
            self.bar.set_prefix(format!("{}what stays frozen", self.prefix()));
            self.bar.set_length(total as u64);
            self.bar.set_message("images");
            self.bar.set_position(done as u64);
        } else if self.spoke.is_none_or(|time| time.elapsed() >= SPARSE) {
            self.spoke = Some(Instant::now());
            self.note(&format!("{}what stays frozen: {done} of {total} images", self.prefix()));
        }
    }

    fn kept(&self, report: &FeatureReport) {
        let (path, rows) = (report.path.display(), counted(report.rows as u64, "image"));
        self.note(&match report.found {
            true => format!("what stays frozen was computed before: {rows} from {path}"),
            false => format!("what stays frozen: {rows} in {}, kept in {path}", duration(report.seconds)),
        });
    }

    fn epoch(&mut self, epoch: &EpochReport) {
        match &self.run {
            Some(run) => self.note(&format!("{run}: {}", epoch.line())),
            None if self.json => {}
            None => self.result(&epoch.line()),
        }
        self.note(&format!(
            "epoch {}: {:.1} img/s, waited {} for data{}",
            epoch.epoch,
            epoch.img_per_s,
            duration(epoch.data_wait),
            if epoch.best { ", best so far" } else { "" }
        ));
    }

    /// The run, where there are several.
    fn prefix(&self) -> String {
        self.run.as_ref().map_or(String::new(), |run| format!("{run}, "))
    }

    fn run(&mut self, run: &CompareRun) {
        let name = format!("{} seed {}", run.model, run.seed);
        self.note(&format!("run {} of {}: {name}", run.number, run.runs));
        self.run = Some(name);
    }

    fn run_done(&mut self, done: &CompareRunDone) {
        self.bar.reset();
        let (train, test) =
            (percent(done.train_error, done.train_images), percent(done.test_error, done.test_images));
        let (model, seed) = (&done.model, done.seed);
        if !self.json {
            self.result(&format!("{model} seed {seed}: training error {train} %, test error {test} %"));
        }
        if done.seconds_left > 0.0 {
            self.note(&format!("about {} left", duration(done.seconds_left)));
        }
    }

    fn finished(&mut self, report: &RunReport) {
        let best = match report.best_acc {
            Some(BestAccuracy { accuracy, epoch }) => {
                format!(" (best: epoch {epoch}, {} acc {accuracy:.3})", report.held_out)
            }
            None => String::new(),
        };
        self.note(&format!("results in {}{best}, after {}", report.run.display(), duration(report.seconds)));
        self.note(&format!(
            "weights sha256 {} {} ({})",
            report.weights_sha256,
            report.last.display(),
            report.data
        ));
    }
}

impl Observer for Watcher {
    fn event(&mut self, event: &Event) {
        lock(&self.standing).hear(event);
        if self.json
            && let Ok(line) = serde_json::to_string(event)
        {
            self.result(&line);
        }
        match event {
            Event::Plan(_) if self.run.is_some() => {}
            Event::Plan(plan) => self.note(&run_text(plan)),
            Event::Estimate { seconds } => self.note(&format!("measured: {} to go", duration(*seconds))),
            Event::Started(started) => self.started(started),
            Event::Step(step) => self.step(step),
            Event::Evaluating { epoch, done, total } => self.evaluating(*epoch, *done, *total),
            Event::KeepingFeatures { done, total } => self.keeping(*done, *total),
            Event::FeaturesKept(report) => self.kept(report),
            Event::Unfrozen { epoch } => self.note(&format!("epoch {epoch}: everything learns from here on")),
            Event::Epoch(epoch) => self.epoch(epoch),
            Event::Saved {
                path,
                reason: SaveReason::Interval | SaveReason::Signal | SaveReason::MaxSteps | SaveReason::Time,
            } => {
                self.note(&format!("saved {}", path.display()));
            }
            Event::Saved { .. } => {}
            Event::Warning { message } => self.note(&format!("warning: {message}")),
            Event::Finished(report) => {
                self.bar.finish_and_clear();
                self.finished(report);
            }
            Event::Comparison(plan) => self.note(&comparison_text(plan)),
            Event::Run(run) => self.run(run),
            Event::RunDone(done) => self.run_done(done),
            _ => {}
        }
    }
}

fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    // it is whole at every point
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stopping(signal: Signal) -> String {
    let why = if signal == Signal::Hangup { " (the terminal was closed)" } else { "" };
    format!("{}{why}: finishing the step, then saving (Ctrl-C once more leaves at once)", signal.name())
}

fn leaving(standing: &Standing) -> String {
    let how = match standing.resumes() {
        Some((command, folder)) => {
            format!("\n  {}\n{}", resume_command(command, folder), standing.goes_on())
        }
        None => String::new(),
    };
    format!("leaving at once: {}{how}", standing.lost())
}
