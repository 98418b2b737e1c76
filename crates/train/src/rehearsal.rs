//! A few steps of a run, made to be thrown away: `--smoke` proves by them that all of it works, `--time` measures how fast it is.
//!
//! They are those of the run: its network, loader, batches, update, test pass and files. They happen in a folder of their own
//! beside the runs, which is deleted however they end. No run is numbered after it and none is resumed there: its name begins with
//! a dot, and the run lies one level deeper than runs are looked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use plusx_data::{BatchPlan, Dataset, Loader, Samples, Subset};
use plusx_model::executor::Executor;
use plusx_model::params::Params;

use crate::average::on_average;
use crate::error::{Kept, TrainError};
use crate::evaluate::pass_over;
use crate::event::{Event, Observer, Outcome, SaveReason};
use crate::features::Batches;
use crate::freezing::thaw;
use crate::job::samples;
use crate::load::Machine;
use crate::options::TrainOptions;
use crate::sampler;
use crate::stop::Stop;
use crate::time_plan::Rates;

/// Name of the run inside a scratch folder.
pub(crate) const RUN: &str = "run";

/// A folder that this process made, and that goes when the value does.
#[derive(Debug)]
pub(crate) struct ScratchFolder {
    path: PathBuf,
    /// Folders above it that were not there before, the innermost first.
    above: Vec<PathBuf>,
}

impl ScratchFolder {
    /// Makes `.NAME-PROCESS` below `output`, or one with a number after it if that is there already.
    pub(crate) fn make(output: &Path, name: &str) -> Result<Self, TrainError> {
        let missing = output.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let above: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        fs::create_dir_all(output).map_err(|error| TrainError::io("cannot make", output, error))?;
        let mut number = 1;
        loop {
            let path = output.join(format!(".{name}-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, above }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(TrainError::io("cannot make", &path, error)),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is said of a failure without saying that a file in here is kept or would tell more.
    pub(crate) fn forget(&self, error: TrainError) -> TrainError {
        match error {
            TrainError::NotFinite { what, epoch, step, .. } => {
                TrainError::NotFinite { what, epoch, step, kept: Kept::default() }
            }
            TrainError::Save { source, needed, .. } => {
                TrainError::Save { source, needed, kept: Kept::default() }
            }
            TrainError::Unfit { data, reason } => {
                TrainError::Unfit { data, reason: self.without(&reason, "; ") }
            }
            error => error,
        }
    }

    /// A sentence without its last part, which begins with `before`, if that names a file in here.
    pub(crate) fn without(&self, text: &str, before: &str) -> String {
        let place = self.path.display().to_string();
        match text.rsplit_once(before) {
            Some((said, rest)) if rest.contains(&place) => said.to_owned(),
            _ => text.to_owned(),
        }
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // what cannot be deleted cannot be helped, and what others put there is not ours
        let _ = fs::remove_dir_all(&self.path);
        for path in &self.above {
            let _ = fs::remove_dir(path);
        }
    }
}

/// What a rehearsal has of the run.
pub(crate) struct Rehearsed<'a> {
    pub(crate) options: &'a TrainOptions,
    pub(crate) dataset: &'a Dataset,
    /// Parameters of a file; none: drawn by the seed.
    pub(crate) params: Option<&'a Params>,
}

impl Rehearsed<'_> {
    /// The first images that the run learns from and is tested on: so many batches, fewer if there are not as many.
    pub(crate) fn few(&self, train: usize, test: usize) -> Dataset {
        let (options, all) = (self.options, samples(&*self.dataset.train, self.options));
        let labels: Vec<u32> =
            all.iter().map(|sample| self.dataset.train.labels()[*sample as usize]).collect();
        let order = sampler::order(options.sampler, &labels, options.seed, 0);
        let first = order.into_iter().take(train.saturating_mul(options.images_per_step()));
        let first = first.map(|place| all[place as usize]);
        Dataset {
            // the hashes of a few pictures are not those of a set that is known by its name
            name: format!("a few pictures of {}", self.dataset.name),
            train: Arc::new(Subset::new(Arc::clone(&self.dataset.train), first)),
            val: self.tested(test),
            test: None,
            ..self.dataset.clone()
        }
    }

    fn tested(&self, batches: usize) -> Arc<dyn Samples> {
        let images = batches.saturating_mul(self.options.batch_size).min(self.dataset.val.len());
        Arc::new(Subset::new(Arc::clone(&self.dataset.val), 0..images as u32))
    }

    /// Seconds of an image in a test pass over so many batches.
    pub(crate) fn test_image<E: Executor>(
        &self,
        executor: &mut E,
        batches: usize,
    ) -> Result<f64, TrainError> {
        let split = self.tested(batches);
        let images = split.len().max(1);
        let plan = BatchPlan {
            order: (0..split.len() as u32).collect(),
            batch_size: self.options.batch_size,
            first: 0,
            preprocess: self.options.record(executor.graph().input_shape()),
            augment: None,
            threads: Machine::of(self.options).threads(),
        };
        // whatever the last epoch took in place of images
        thaw(executor)?;
        let begun = Instant::now();
        let batches = Batches::Pictures(Loader::new(split, plan));
        on_average(executor, |executor| pass_over(batches, executor, &mut |_| true))?;
        Ok(begun.elapsed().as_secs_f64() / images as f64)
    }
}

/// When the parts of a rehearsal happened, heard from its events.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    begun: Instant,
    steps: Vec<Instant>,
    ended: Instant,
}

impl Marks {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { begun: now, steps: Vec::new(), ended: now }
    }

    /// Takes note of an event.
    pub(crate) fn hear(&mut self, event: &Event) {
        let now = Instant::now();
        match event {
            Event::Started(_) => *self = Self { begun: now, steps: Vec::new(), ended: now },
            Event::Step(_) => self.steps.push(now),
            Event::Saved { reason: SaveReason::Epoch, .. } | Event::Finished(_) => {}
            _ => return,
        }
        self.ended = now;
    }

    /// Seconds of a step, after the first where there are more: that one waits for its batch.
    pub(crate) fn step(&self) -> f64 {
        let between = |from: Instant, to: Instant| (to - from).as_secs_f64();
        match self.steps[..] {
            [] => 0.0,
            [only] => between(self.begun, only),
            [first, .., last] => between(first, last) / (self.steps.len() - 1) as f64,
        }
    }

    /// What the parts took of an epoch whose test pass looked at `tested` images, each of which takes `test_image` seconds.
    pub(crate) fn rates(&self, tested: usize, test_image: f64) -> Rates {
        let whole = (self.ended - self.begun).as_secs_f64();
        let step = self.step();
        let epoch = whole - step * self.steps.len() as f64 - test_image * tested as f64;
        Rates { step, test_image, epoch: epoch.max(0.0) }
    }
}

/// Passes a request to stop on to a rehearsal, after each of its events.
pub(crate) fn passing_on(outer: &Stop, inner: &Stop) {
    if let Some(signal) = outer.requested() {
        inner.request(signal);
    }
}

/// Whether a rehearsal came to its end.
pub(crate) fn is_whole(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}

/// Hears what a rehearsal tells, and passes warnings on, without the places of files that go.
pub(crate) struct Listener<'a> {
    pub(crate) folder: &'a ScratchFolder,
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) marks: Marks,
}

impl Observer for Listener<'_> {
    fn event(&mut self, event: &Event) {
        self.marks.hear(event);
        match event {
            Event::Warning { message } => {
                let message = self.folder.without(message, " and listed in ");
                self.observer.event(&Event::Warning { message });
            }
            other => self.observer.event(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newest;

    #[test]
    fn a_scratch_folder_goes_with_the_folders_that_were_made_for_it() {
        let place = tempfile::tempdir().unwrap();
        let output = place.path().join("runs/train");
        let first = ScratchFolder::make(&output, "smoke").unwrap();
        let second = ScratchFolder::make(&output, "smoke").unwrap();
        assert_ne!(first.path(), second.path());
        fs::create_dir_all(first.path().join(RUN)).unwrap();
        fs::write(first.path().join(RUN).join("args.yaml"), "").unwrap();
        let found = newest::choose::<()>(&output, "args.yaml", |_| panic!("a rehearsal is no run"));
        assert!(matches!(found, Err(TrainError::NoRun { .. })));
        let kept = output.join("exp");
        fs::create_dir(&kept).unwrap();
        drop((first, second));
        assert_eq!(fs::read_dir(&output).unwrap().count(), 1);
        fs::remove_dir(&kept).unwrap();
        drop(ScratchFolder::make(&output, "smoke").unwrap());
        assert!(output.exists(), "it was there before");
    }

    #[test]
    fn what_is_gone_is_not_pointed_at() {
        let place = tempfile::tempdir().unwrap();
        let folder = ScratchFolder::make(place.path(), "smoke").unwrap();
        let list = folder.path().join("run/bad_files.csv");
        let text = format!("a.jpg: broken; it is left out and listed in {}", list.display());
        assert_eq!(folder.without(&text, " and listed in "), "a.jpg: broken; it is left out");
        assert_eq!(folder.without("a; b", "; "), "a; b");
    }
}
