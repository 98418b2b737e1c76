//! Several networks side by side under one recipe: the same images in the same order from the same seeds.
//!
//! Each pair of network and seed is an ordinary run, with checkpoints, results and exact resume. Its folder, such as
//! `plain20-seed42`, lies in the comparison's. The comparison adds `compare.yaml` (what it was asked for), `compare.csv` (the
//! errors of all finished runs), `compare.svg` and `compare.png`. It holds no state of its own: what is left to do follows from
//! the runs' folders.

mod chart;
mod claim;
mod curve;
mod options;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use plusx_data::Dataset;
use plusx_formats::atomic;
use serde::Serialize;

use crate::by_name;
use crate::error::{PathDisplay, TrainError};
use crate::event::{ComparePlan, CompareRun, CompareRunDone, Event, Observer, Outcome, PlanReport};
use crate::folder::{self, Folder, SavedRun};
use crate::newest::{self, Candidate, Chosen, Left};
use crate::options::{Overrides, TrainOptions};
use crate::points;
use crate::run_files;
use crate::start;
use crate::stop::{Signal, Stop};

pub use claim::{Claim, Deeper};
use curve::Curve;
pub use curve::{ModelErrors, Spread};
pub use options::{CompareOptions, CompareOverrides};

/// What was asked for; a folder that holds it is a comparison.
const ARGS: &str = "compare.yaml";

/// How a comparison ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Compared {
    /// All runs are done.
    Done(Findings),
    /// A signal came; the state is saved.
    Interrupted {
        /// Which one.
        signal: Signal,
        /// The comparison's folder.
        folder: PathBuf,
    },
}

/// What the runs gave.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Findings {
    /// The comparison's folder.
    pub folder: PathBuf,
    /// Errors of each network, in the order asked for.
    pub models: Vec<ModelErrors>,
    /// What more layers did to networks that differ in nothing else.
    pub deeper: Vec<Deeper>,
    /// The chapter's first claim, for each pair of plain networks whose residual twins are there too.
    pub claims: Vec<Claim>,
}

/// A comparison that may begin or go on: its folder is locked.
#[derive(Debug)]
pub struct Comparison {
    options: CompareOptions,
    folder: Folder,
    why: Option<String>,
}

/// What a comparison would do, without doing it.
///
/// # Errors
/// An option that makes no sense, a network that does not take the images.
pub fn plan(options: &CompareOptions, dataset: &Dataset) -> Result<ComparePlan, TrainError> {
    options.check()?;
    let options = options.settled(dataset);
    let one = |model: &String| start::plan(&options.run(model, options.train.seed, Path::new("")), dataset);
    let models: Vec<PlanReport> = options.models.iter().map(one).collect::<Result<_, _>>()?;
    Ok(ComparePlan {
        seeds: options.seeds,
        measure_every: options.train.measure_every.unwrap_or(1),
        measure_images: crate::job::measured_images(&options.train, dataset.val.len()),
        estimate_seconds: f64::from(options.seeds)
            * models.iter().map(|one| one.estimate_seconds).sum::<f64>(),
        models,
    })
}

impl Comparison {
    /// Makes the folder of a new comparison.
    ///
    /// # Errors
    /// Those of [`plan`], before anything is written; a folder of that name that is there already.
    pub fn create(options: &CompareOptions, dataset: &Dataset) -> Result<Self, TrainError> {
        plan(options, dataset)?;
        let options = options.settled(dataset);
        let made = match folder::make(&options.train.output, options.train.name.as_deref(), false) {
            Err(TrainError::Exists { path: PathDisplay(path) }) => {
                let wanted = "that folder exists: continue with --resume, or choose another --name";
                return Err(TrainError::option("name", &path.display().to_string(), wanted));
            }
            made => made?,
        };
        let path = made.path;
        let folder = Folder::lock(path)?;
        let options = CompareOptions { train: folder.naming(options.train), ..options };
        let contest = Self { options, folder, why: None };
        contest.write_options()?;
        Ok(contest)
    }

    /// Opens one that was stopped: `run` is its folder or its name under `output`. None means the newest there with something
    /// left to do.
    ///
    /// # Errors
    /// [`TrainError::NoRun`], [`TrainError::Locked`], [`TrainError::ComparisonChanged`], or the file that is broken.
    pub fn open(run: Option<&Path>, output: &Path, changes: &CompareOverrides) -> Result<Self, TrainError> {
        match run {
            Some(run) => {
                let (folder, saved) = Self::lock(folder::locate(run, output, ARGS)?)?;
                Ok(Self { options: resumed(&saved, changes)?, folder, why: None })
            }
            None => {
                let Chosen { run, why } = newest::choose(output, ARGS, |path| {
                    let (folder, saved) = Self::lock(path.into())?;
                    let left = if finished(path, &saved) { Left::Nothing } else { Left::Something };
                    let run = resumed(&saved, changes).map(|options| Self { options, folder, why: None });
                    Ok(Candidate { run, left })
                })?;
                Ok(Self { why: Some(why), ..run })
            }
        }
    }

    /// Locks a folder and reads its options.
    fn lock(path: PathBuf) -> Result<(Folder, CompareOptions), TrainError> {
        let folder = Folder::lock(path)?;
        let args = folder.file(ARGS);
        let text = fs::read_to_string(&args).map_err(|error| TrainError::io("cannot read", &args, error))?;
        let saved = yaml_serde::from_str(by_name::without_mark(&text)).map_err(|error| {
            TrainError::bad_run(&args, format!("not the options of a comparison: {error}"))
        })?;
        Ok((folder, saved))
    }

    /// Why it is this comparison, in words, where none was named.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Its options, with what the command line changes.
    pub fn options(&self) -> &CompareOptions {
        &self.options
    }

    /// The same comparison, with its data in `data_dir`.
    pub fn reading_from(self, data_dir: Option<PathBuf>) -> Self {
        let train = TrainOptions { data_dir, ..self.options.train };
        Self { options: CompareOptions { train, ..self.options }, ..self }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes or continues every run that is not done, seed by seed, so that all networks are there early on.
    ///
    /// # Errors
    /// Anything in [`TrainError`]; whatever was saved before the error stays, and [`Comparison::open`] goes on from there.
    pub fn run(
        self,
        dataset: &Dataset,
        stop: &Stop,
        observer: &mut dyn Observer,
    ) -> Result<Compared, TrainError> {
        let plan = plan(&self.options, dataset)?;
        self.write_options()?;
        let cost: Vec<f64> = plan.models.iter().map(|model| model.estimate_seconds).collect();
        observer.event(&Event::Comparison(plan));
        let all = self.options.models.len() * self.options.seeds as usize;
        let (mut number, mut left) = (0, cost.iter().sum::<f64>() * f64::from(self.options.seeds));
        // guessed and measured seconds of the runs made here
        let (mut guessed, mut measured) = (0.0, 0.0);
        let mut curves = Vec::new();
        for seed in self.options.seeds() {
            for (model, cost) in self.options.models.iter().zip(&cost) {
                number += 1;
                left -= cost;
                let options = self.options.run(model, seed, self.folder.path());
                let path = options.output.join(options.name.as_deref().unwrap_or_default());
                let begun = self.begun(&path, &options)?;
                if begun.as_ref().is_some_and(SavedRun::finished) {
                    curves.push(curve(&options, &path)?);
                    continue;
                }
                if let Some(signal) = stop.requested() {
                    return Ok(Compared::Interrupted { signal, folder: self.folder.path().into() });
                }
                let event = CompareRun { model: model.clone(), seed, number, runs: all, run: path.clone() };
                observer.event(&Event::Run(event));
                let (started, whole) = (Instant::now(), begun.is_none());
                let outcome = match begun {
                    Some(saved) => start::resume(saved, dataset.clone(), stop, observer)?,
                    None => start::run(options.clone(), dataset.clone(), stop, observer)?,
                };
                if let Outcome::Interrupted { signal, .. } = outcome {
                    return Ok(Compared::Interrupted { signal, folder: self.folder.path().into() });
                }
                if whole {
                    guessed += cost;
                    measured += started.elapsed().as_secs_f64();
                }
                let curve = curve(&options, &path)?;
                let (errors, images) = (curve.last(), curve.images);
                curves.push(curve);
                self.publish(&curves, observer)?;
                // a run that was only finished here says nothing about the speed
                let pace = if guessed > 0.0 { measured / guessed } else { 1.0 };
                let seconds_left = if number == all { 0.0 } else { left * pace };
                let model = model.clone();
                observer.event(&Event::RunDone(CompareRunDone {
                    model,
                    seed,
                    train_error: errors.train,
                    test_error: errors.test,
                    train_images: images.train,
                    test_images: images.test,
                    seconds_left,
                }));
            }
        }
        self.publish(&curves, observer)?;
        let deeper = claim::deeper(&self.options.models, &curves)?;
        Ok(Compared::Done(Findings {
            folder: self.folder.path().into(),
            models: self.options.models.iter().map(|model| ModelErrors::of(model, &curves)).collect(),
            claims: claim::claims(&deeper)?,
            deeper,
        }))
    }

    /// The run in `path`, if it has been begun, with the options it must have.
    fn begun(&self, path: &Path, options: &TrainOptions) -> Result<Option<SavedRun>, TrainError> {
        let may_change = Overrides {
            data_dir: options.data_dir.clone(),
            threads: options.threads,
            isa: Some(options.isa),
            save_every: Some(options.save_every),
            ..Overrides::default()
        };
        let saved = match SavedRun::open(Some(path), &options.output, &may_change) {
            Err(TrainError::NoRun { .. }) => return Ok(None),
            saved => saved?,
        };
        // the folder may have been moved, and the data with it
        let expected = TrainOptions {
            output: saved.options.output.clone(),
            data_dir: saved.options.data_dir.clone(),
            threads: saved.options.threads,
            ..options.clone()
        };
        if saved.options == expected {
            return Ok(Some(saved));
        }
        let reason = "not a run of this comparison: its options differ from those in compare.yaml; move the folder away, \
                      and the run is made again";
        Err(TrainError::bad_run(&path.join(run_files::ARGS), reason))
    }

    /// Writes what the finished runs gave. A picture that cannot be drawn is no reason to stop.
    fn publish(&self, curves: &[Curve], observer: &mut dyn Observer) -> Result<(), TrainError> {
        let text = curve::csv(&self.options.models, curves);
        atomic::write(&self.folder.file("compare.csv"), text.as_bytes())?;
        if let Err(message) = chart::draw(&self.folder, &self.options, curves) {
            observer.event(&Event::Warning { message });
        }
        Ok(())
    }

    fn write_options(&self) -> Result<(), TrainError> {
        let path = self.folder.file(ARGS);
        let text = yaml_serde::to_string(&self.options)
            .map_err(|error| TrainError::bad_run(&path, error.to_string()))?;
        Ok(atomic::write(&path, text.as_bytes())?)
    }
}

/// The options of a comparison that goes on.
fn resumed(saved: &CompareOptions, changes: &CompareOverrides) -> Result<CompareOptions, TrainError> {
    let options = changes.resume(saved)?;
    options.check()?;
    Ok(options)
}

/// Whether all runs of the comparison in the folder `path` are finished.
fn finished(path: &Path, options: &CompareOptions) -> bool {
    options.seeds().all(|seed| {
        options.models.iter().all(|model| {
            let run = options.run(model, seed, path);
            folder::left(&path.join(run.name.as_deref().unwrap_or_default()), &run) != Left::Something
        })
    })
}

/// The errors of the finished run in `path`.
fn curve(options: &TrainOptions, path: &Path) -> Result<Curve, TrainError> {
    let points = points::read(&path.join("points.csv"))?;
    Ok(Curve::new(&options.model, options.seed, &points))
}
