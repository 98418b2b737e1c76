//! The loop: what d2l's `train_ch5` does, with a save, a stop or a resume possible between any two steps.
//!
//! Each epoch begins with a shuffle. Each batch is one step, or `grad_accum_steps` of them are. The loss and hit of each sample,
//! measured before the update, are added to running sums. The epoch ends with the test pass, one line and one row. Loss and
//! accuracy are means per sample over the epoch. The gradient is the step's sum divided by the *full* number of its images, so
//! the smaller last step is shorter.
//!
//! At the end of an epoch the best weights are written first, then the results, then the checkpoint that confirms them. A
//! process killed in between repeats the epoch's end and writes the same bytes. `step` makes the steps. `measure` makes the
//! measurements inside epochs. `draw` draws curves and images. `freeze` changes what learns, and `keep` computes what is kept of
//! the rest. `save` writes checkpoints, and deals with files that cannot be written. `time` ends a run whose time is over. `range`
//! makes the steps of a range test. `words` says why a run ended.

mod draw;
mod freeze;
mod keep;
mod measure;
pub(crate) mod range;
mod save;
mod step;
mod time;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use plusx_data::{AugmentPlan, BatchPlan, LeftOut, Mix};
use plusx_model::executor::Executor;
use plusx_model::update::ParamRule;

use crate::average::on_average;
use crate::checkpoint;
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::error::TrainError;
use crate::estimate::Pace;
use crate::evaluate::{EvalReport, Passed, pass_over};
use crate::event::{BestAccuracy, EpochReport, Event, Observer, Outcome, RunReport, SaveReason, Started};
use crate::features::{Batches, FeatureFile};
use crate::job::Job;
use crate::layer_decay;
use crate::left_out::BadFiles;
use crate::points::Points;
use crate::position::RunPosition;
use crate::results::{EpochRow, Results};
use crate::schedule::Schedule;
use crate::state::{Best, State};
use crate::stop::{Signal, Stop};

/// How often the test pass tells how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// How a part of the loop ended.
enum End {
    /// Go on with the next epoch.
    Epoch,
    /// `max_steps` is reached inside an epoch.
    MaxSteps,
    /// A signal came.
    Stopped(Signal),
    /// The run's time is over.
    OutOfTime,
}

/// A run in progress.
pub(crate) struct Session<'a, E> {
    job: &'a Job,
    executor: &'a mut E,
    stop: &'a Stop,
    observer: &'a mut dyn Observer,
    state: State,
    schedule: Schedule,
    /// Of each class, in the loss.
    class_weights: Option<Vec<f32>>,
    /// Of each parameter, where their rates differ.
    rules: Option<Vec<ParamRule>>,
    results: Results,
    points: Points,
    bad_files: BadFiles,
    /// What is kept of the pictures, while a part does not learn.
    features: Option<Arc<FeatureFile>>,
    /// Whether the executor learns as in such an epoch; `None` before the first.
    frozen: Option<bool>,
    /// An image, while a batch is mixed.
    scratch: Vec<f32>,
    pace: Pace,
    clock: Clock,
    deadline: Deadline,
    /// When the last checkpoint was written, or the run began.
    saved: Instant,
    /// How far the run has come by the checkpoint on disk, if there is one.
    kept: Option<RunPosition>,
}

impl<'a, E: Executor> Session<'a, E> {
    /// A session that begins at `state`; the executor holds its parameters.
    pub(crate) fn new(
        job: &'a Job,
        executor: &'a mut E,
        stop: &'a Stop,
        observer: &'a mut dyn Observer,
        state: State,
    ) -> Result<Self, TrainError> {
        let path = job.folder.results();
        let found = if state.step > 0 { Results::open(&path)? } else { None };
        if found.is_none() && state.step > 0 {
            let path = path.display();
            let message = format!(
                "{path} is gone: the rows and curves of the epochs before are lost; the weights do not depend on it"
            );
            observer.event(&Event::Warning { message });
        }
        let mut results = found.unwrap_or_else(|| Results::new(path));
        // rows the checkpoint does not confirm come again; but a run that `max_steps` ended is as it should be
        let ended = state.epoch_step > 0 && job.options.max_steps.is_some_and(|max| state.step >= max);
        results.keep(state.epoch + u32::from(ended));
        let clock = Clock::open(&job.folder, &state, results.rows());
        let points = Points::open(job, &state)?;
        let bad_files = BadFiles::open(job.folder.path(), &job.left_out)?;
        let (pace, saved) = (Pace::default(), Instant::now());
        let kept = job.folder.last().is_file().then_some(state.position());
        let rules = layer_decay::rules(executor.graph(), &job.options);
        Ok(Self {
            job,
            executor,
            stop,
            observer,
            state,
            schedule: Schedule::of(&job.options, job.steps()),
            class_weights: job.class_weights(),
            rules,
            results,
            points,
            bad_files,
            features: None,
            frozen: None,
            scratch: Vec::new(),
            pace,
            clock,
            deadline: Deadline::default(),
            saved,
            kept,
        })
    }

    /// Trains to the end, or until a signal comes.
    pub(crate) fn run(mut self) -> Result<Outcome, TrainError> {
        let resumed = (self.state.step > 0).then_some(self.state.position());
        let run = self.job.folder.path().to_owned();
        self.tell(&Event::Started(Started { context: "cpu(0)".into(), run: run.clone(), resumed }));
        self.results.write().map_err(|error| self.keeping(error))?;
        if !self.results.rows().is_empty() {
            // the last process may have been killed between its last row and its curves
            self.draw();
        }
        if resumed.is_some() && self.done() {
            self.tell(&Event::Warning { message: self.nothing_left() });
        }
        self.watch_time();
        while !self.done() {
            match self.epoch()? {
                End::Epoch if self.deadline.is_over => break,
                End::Epoch => {}
                End::MaxSteps => break,
                End::OutOfTime => {
                    self.run_out();
                    self.save(SaveReason::Time)?;
                    break;
                }
                End::Stopped(signal) => {
                    self.save(SaveReason::Signal)?;
                    let at = self.state.position();
                    return Ok(Outcome::Interrupted { signal, run, at });
                }
            }
        }
        if self.deadline.is_over {
            self.tell_time();
        }
        let best = self.job.folder.best();
        let report = RunReport {
            data: self.job.options.data.clone(),
            weights_sha256: checkpoint::sha256(&self.job.folder.last())?,
            last: self.job.folder.last(),
            best: best.is_file().then_some(best),
            held_out: self.job.held_out.short(),
            best_acc: self.best_acc(),
            seconds: self.clock.total(),
            out_of_time: self.deadline.is_over,
            run,
        };
        self.tell(&Event::Finished(report.clone()));
        Ok(Outcome::Done(report))
    }

    /// Of the epochs that ended; of the test pass after the last step where `max_steps` let none end.
    fn best_acc(&self) -> Option<BestAccuracy> {
        let best = self.state.best.map(|best| BestAccuracy { accuracy: best.top1, epoch: best.epoch });
        let last = || self.results.rows().last();
        best.or_else(|| last().map(|row| BestAccuracy { accuracy: row.val_top1, epoch: row.epoch }))
    }

    fn tell(&mut self, event: &Event) {
        self.observer.event(event);
    }

    fn done(&self) -> bool {
        self.state.is_done(&self.job.options, &self.results)
    }

    /// The batches that the epoch under way has left.
    fn batches(&self) -> Batches {
        let job = self.job;
        let plan = BatchPlan {
            order: job.order(self.state.epoch),
            batch_size: job.options.batch_size,
            first: job.batches(self.state.epoch_step).start as usize,
            preprocess: job.header.model.preprocess.clone(),
            augment: job.options.augment().map(|augment| AugmentPlan {
                augment,
                seed: job.options.seed,
                epoch: self.state.epoch,
            }),
            threads: job.threads,
        };
        self.batches_of(plan)
    }

    /// The rest of one epoch and its test pass.
    fn epoch(&mut self) -> Result<End, TrainError> {
        if !self.enter()? {
            return Ok(self.stopped());
        }
        let (job, steps) = (self.job, self.job.steps());
        let augmented = job.options.augment().is_some() || job.options.mix() != Mix::default();
        let mut loader = self.batches();
        while self.state.epoch_step < steps {
            if let Some(signal) = self.stop.requested() {
                return Ok(End::Stopped(signal));
            }
            if !self.deadline.allows_step() {
                return Ok(End::OutOfTime);
            }
            if self.state.is_enough(&job.options) {
                self.save(SaveReason::MaxSteps)?;
                break;
            }
            if self.point_is_due() && !self.measure()? {
                return Ok(self.stopped());
            }
            let started = Instant::now();
            let waited = loader.waited();
            let images = self.step(&mut loader, Some(augmented))?;
            let wait = (loader.waited() - waited).as_secs_f64();
            let seconds = started.elapsed().as_secs_f64();
            self.clock.step(images, seconds, wait);
            self.pace.step(images as u64, seconds);
            self.deadline.step(seconds);
            self.tell_step(wait);
            if self.due() {
                self.save(SaveReason::Interval)?;
            }
        }
        drop(loader);
        if self.state.seen == 0 && self.state.epoch_step > 0 {
            return Err(self.unreadable("training"));
        }
        let whole = self.state.epoch_step == steps;
        let Some(report) = self.test((0..job.val.len() as u32).collect())? else { return Ok(self.stopped()) };
        self.end(report, whole).map_err(|error| self.rescue(error))
    }

    fn stopped(&self) -> End {
        match self.stop.requested() {
            None if !self.deadline.allows_more() => End::OutOfTime,
            signal => End::Stopped(signal.unwrap_or(Signal::Interrupt)),
        }
    }

    /// Lists pictures that turned out to be damaged, and tells of them.
    fn leave_out(&mut self, found: &[LeftOut]) -> Result<(), TrainError> {
        let told = self.bad_files.add(found).map_err(|error| self.keeping(error))?;
        told.into_iter().for_each(|message| self.tell(&Event::Warning { message }));
        Ok(())
    }

    fn unreadable(&self, which: &str) -> TrainError {
        let reason =
            format!("none of the {which} pictures can be read; {} says why", self.bad_files.path().display());
        TrainError::Unfit { data: self.job.options.data.clone(), reason }
    }

    /// A test pass over some of the images held out; `None` if a signal came or the time was over.
    fn test(&mut self, order: Vec<u32>) -> Result<Option<EvalReport>, TrainError> {
        let (epoch, total) = (self.state.epoch + 1, order.len());
        let batches = self.test_batches(order);
        let (stop, deadline, observer) = (self.stop, &self.deadline, &mut *self.observer);
        let started = Instant::now();
        let mut told = started;
        let passed = on_average(self.executor, |executor| {
            pass_over(batches, executor, &mut |done| {
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    observer.event(&Event::Evaluating { epoch, done, total });
                }
                stop.requested().is_none() && deadline.allows_more()
            })
        })?;
        let Some(Passed { report, left_out }) = passed else { return Ok(None) };
        self.leave_out(&left_out)?;
        if report.n == 0 {
            return Err(self.unreadable("validation"));
        }
        self.pace.test(report.n, started.elapsed().as_secs_f64());
        if !report.loss.is_finite() {
            return Err(self.not_finite("the loss on the test images", self.last_step()));
        }
        Ok(Some(report))
    }

    /// Writes down what the epoch gave. An epoch cut short by `max_steps` leaves the state inside the epoch, and its
    /// row goes when the run is resumed.
    fn end(&mut self, report: EvalReport, whole: bool) -> Result<End, TrainError> {
        self.see_to_folder()?;
        self.clock.tick();
        // inside an epoch the best weights are only filled where there is nothing better to keep
        let best = match self.state.best {
            None => true,
            Some(best) => whole && best.beaten_by(&report),
        };
        let line = EpochReport {
            held_out: self.job.held_out.short(),
            epoch: self.state.epoch + 1,
            step: self.state.step,
            loss: self.state.loss(),
            train_acc: self.state.accuracy(),
            test_acc: report.top1,
            test_loss: report.loss,
            test_top5: report.top5,
            seconds: self.clock.epoch(),
            img_per_s: self.clock.images_per_second(),
            data_wait: self.clock.wait(),
            best,
        };
        if best {
            let path = self.job.folder.best();
            let saved = self.job.header.save_best(&path, self.executor, &self.state, &report);
            saved.map_err(|refusal| self.refused(refusal))?;
            self.tell(&Event::Saved { path, reason: SaveReason::Best });
        }
        self.mark(&report)?;
        // of the last step: what comes next is not learnt with yet
        let lr = self.lr(self.state.step.saturating_sub(1));
        self.results.push(EpochRow::new(&self.job.options.data, lr, &line));
        self.results.write().map_err(|error| self.keeping(error))?;
        let seconds = line.seconds;
        // before the save that confirms it: a process killed in between tells the same line again, none is lost
        self.tell(&Event::Epoch(line));
        if whole {
            let found = Best { epoch: self.state.epoch + 1, top1: report.top1, loss: report.loss };
            self.state.watch(&self.job.options, found);
            self.state.best = if best { Some(found) } else { self.state.best };
            self.state.plateau = self.schedule.after_epoch(self.state.plateau, report.loss);
            self.state.end_epoch();
            self.clock.end_epoch();
            self.look_ahead(seconds);
            self.save(SaveReason::Epoch)?;
            if self.state.epoch < self.job.options.all_epochs() && self.state.has_stalled(&self.job.options) {
                self.tell(&Event::Warning { message: self.stalled() });
            }
        }
        self.draw();
        Ok(if whole { End::Epoch } else { End::MaxSteps })
    }

    /// How far the run had come with the last step that was done, before any epoch ended after it.
    fn last_step(&self) -> RunPosition {
        match self.state.position() {
            RunPosition { epoch, steps: 0 } if epoch > 1 => {
                RunPosition { epoch: epoch - 1, steps: self.job.steps() }
            }
            position => position,
        }
    }

    /// `at` is the position that the step led to which gave no finite number.
    fn not_finite(&self, what: &'static str, at: RunPosition) -> TrainError {
        TrainError::NotFinite { what, epoch: at.epoch, step: at.steps, kept: self.kept() }
    }
}
