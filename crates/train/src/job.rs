//! What a run works on: its options, its images and its folder. Nothing here changes while it goes on.

use std::ops::Range;
use std::sync::Arc;

use plusx_data::{Dataset, HeldOut, LeftOut, Samples};
use plusx_model::random::shuffle;

use crate::checkpoint::CheckpointHeader;
use crate::class_weights::class_weights;
use crate::estimate::Work;
use crate::folder::Folder;
use crate::freezing::Freezing;
use crate::options::TrainOptions;
use crate::sampler;
use crate::state::State;

/// The "epoch" whose shuffle draws the images of `train_limit`: one that no run reaches.
const LIMIT_EPOCH: u32 = u32::MAX;

/// What does not change while the run goes on.
pub(crate) struct Job {
    pub(crate) options: TrainOptions,
    pub(crate) train: Arc<dyn Samples>,
    pub(crate) val: Arc<dyn Samples>,
    /// Those of `val` that measurements inside an epoch look at, see [`measured`].
    pub(crate) measured: Vec<u32>,
    /// What does not learn, and until when.
    pub(crate) freezing: Option<Freezing>,
    /// What images cost that are learnt from, while a part does not learn and afterwards.
    pub(crate) costs: [f64; 2],
    /// The training images used, a subset with `train_limit`.
    pub(crate) samples: Vec<u32>,
    pub(crate) header: CheckpointHeader,
    pub(crate) folder: Folder,
    /// Threads that make batches.
    pub(crate) threads: usize,
    /// What `val` is.
    pub(crate) held_out: HeldOut,
    /// Files that were left out when the data were opened.
    pub(crate) left_out: Vec<LeftOut>,
}

impl Job {
    /// Steps of one epoch; the last may have fewer images.
    pub(crate) fn steps(&self) -> u64 {
        self.epoch_images().div_ceil(self.options.images_per_step()) as u64
    }

    /// Batches of step `step` of an epoch, by their numbers in it; both count from 0.
    pub(crate) fn batches(&self, step: u64) -> Range<u64> {
        let all = self.epoch_images().div_ceil(self.options.batch_size) as u64;
        let of_step = u64::from(self.options.grad_accum_steps);
        let first = step.saturating_mul(of_step).min(all);
        first..first.saturating_add(of_step).min(all)
    }

    /// The samples of an epoch (counted from 0) in the order they are learnt from.
    pub(crate) fn order(&self, epoch: u32) -> Vec<u32> {
        let mut order = sampler::order(self.options.sampler, &self.labels(), self.options.seed, epoch);
        order.truncate(self.epoch_images());
        order.into_iter().map(|place| self.samples[place as usize]).collect()
    }

    /// Images that an epoch learns from.
    fn epoch_images(&self) -> usize {
        epoch_images(&self.options, self.samples.len())
    }

    /// Weights of the classes in the loss.
    pub(crate) fn class_weights(&self) -> Option<Vec<f32>> {
        let counts = sampler::counts(&self.labels(), self.header.model.classes.len());
        class_weights(&self.options.class_weights, &self.header.model.classes, &counts)
    }

    /// Labels of the training images used.
    fn labels(&self) -> Vec<u32> {
        let all = self.train.labels();
        self.samples.iter().map(|sample| all[*sample as usize]).collect()
    }

    /// So many images to learn from as images of the epoch under way: those of epochs in which everything learns cost more.
    fn in_images_of_now(&self, images: u64, state: &State) -> u64 {
        let Some(freezing) = self.freezing.as_ref().filter(|freezing| freezing.is_on(state.epoch)) else {
            return images;
        };
        let frozen =
            u64::from(freezing.frozen(self.options.all_epochs()) - state.epoch) * self.epoch_images() as u64;
        let later = images.saturating_sub(frozen.saturating_sub(state.seen));
        let [now, then] = self.costs;
        images - later + (later as f64 * then / now.max(0.01)) as u64
    }

    /// What is left to do from `state` on.
    pub(crate) fn left(&self, state: &State) -> Work {
        let n = self.epoch_images() as u64;
        let epochs = u64::from(self.options.all_epochs().saturating_sub(state.epoch));
        let all = epochs * n - if epochs > 0 { state.seen.min(n) } else { 0 };
        let test = self.val.len() as u64;
        let (train, passes) = match self.options.max_steps {
            None => (all, epochs),
            Some(max) => {
                let steps = max.saturating_sub(state.step);
                let train = all.min(steps.saturating_mul(self.options.images_per_step() as u64));
                (train, (state.seen + train).div_ceil(n.max(1)).min(epochs))
            }
        };
        let steps = train.div_ceil(self.options.images_per_step() as u64);
        let points = points(&self.options, steps, passes);
        let train = self.in_images_of_now(train, state);
        Work { train, test: passes * test + points * measured_images(&self.options, self.val.len()) }
    }
}

/// Images that an epoch learns from, of so many: whole batches of them with `drop_last`.
pub(crate) fn epoch_images(options: &TrainOptions, images: usize) -> usize {
    if options.drop_last { images - images % options.batch_size } else { images }
}

/// Measurements inside epochs in so many steps and epochs, about.
pub(crate) fn points(options: &TrainOptions, steps: u64, epochs: u64) -> u64 {
    options.measure_every.map_or(0, |every| (steps / every.max(1)).saturating_sub(epochs))
}

/// Images that a measurement inside an epoch looks at, of so many.
pub(crate) fn measured_images(options: &TrainOptions, test: usize) -> u64 {
    options.measure_limit.map_or(test, |limit| limit.min(test)) as u64
}

/// The training images used: all, or a draw in which each is as likely as any other.
pub(crate) fn samples(split: &dyn Samples, options: &TrainOptions) -> Vec<u32> {
    draw(split.len(), options.train_limit, options.seed)
}

/// Pictures that a run learns from, and is measured on.
pub(crate) fn images(options: &TrainOptions, dataset: &Dataset) -> [usize; 2] {
    [samples(&*dataset.train, options).len(), dataset.val.len()]
}

/// The test images of measurements inside an epoch: the same ones for every seed, so that runs can be compared.
pub(crate) fn measured(test: &dyn Samples, options: &TrainOptions) -> Vec<u32> {
    draw(test.len(), options.measure_limit, 0)
}

/// `limit` of `n` images, each as likely as any other, in file order; all of them without a limit.
fn draw(n: usize, limit: Option<usize>, seed: u32) -> Vec<u32> {
    match limit {
        Some(limit) if limit < n => {
            let mut drawn = shuffle(n, seed, LIMIT_EPOCH);
            drawn.truncate(limit);
            drawn.sort_unstable();
            drawn
        }
        _ => (0..n as u32).collect(),
    }
}
