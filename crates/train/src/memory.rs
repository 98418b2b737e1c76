//! How much memory a run takes, by its images a step. The plan tells it. It is asked for before the first step.

use plusx_data::{Dataset, Loader};
use plusx_engine::{Engine, Mode};
use plusx_model::executor::Executor;

use crate::checkpoint;
use crate::error::TrainError;
use crate::freezing::{AT_A_TIME, Freezing, KeptValues, thaw};
use crate::job::{images, samples};
use crate::load::Machine;
use crate::network::graph;
use crate::options::TrainOptions;

/// What the program itself takes besides: its code, the libraries, the drawing of curves. Measured: 20 to 25 MB.
const PROGRAM: u64 = 24_000_000;

/// Scratch of this size and more lies on whole large pages, so that it takes up to these.
const LARGE: usize = 1 << 19;
const LARGE_PAGE: usize = 2 << 20;

/// What a run's memory follows from, besides the network and the batch.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    /// Images that are learnt from, and tested on.
    train: usize,
    test: usize,
    /// Bytes of all images and labels.
    data: usize,
    threads: usize,
    /// Numbers that the update rule remembers of each parameter.
    remembered: usize,
    /// 1 if an average of all numbers is kept, else 0.
    averaged: usize,
    /// What does not learn.
    freezing: Option<Freezing>,
    epochs: u32,
    /// 1 if gradients of several batches are summed, else 0.
    summed: usize,
}

impl Need {
    pub(crate) fn of(options: &TrainOptions, dataset: &Dataset, freezing: Option<Freezing>) -> Self {
        Self {
            train: samples(&*dataset.train, options).len(),
            test: dataset.val.len(),
            freezing,
            epochs: options.all_epochs(),
            data: dataset.splits().map(|(_, split)| split.bytes()).sum(),
            threads: Machine::of(options).threads(),
            remembered: options.remembered(),
            averaged: usize::from(options.model_ema_decay.is_some()),
            summed: usize::from(options.grad_accum_steps > 1),
        }
    }

    /// Bytes of the run at its fullest, which is while a checkpoint is being written.
    pub(crate) fn bytes(&self, engine: &mut Engine, batch: usize) -> Result<u64, TrainError> {
        let output = engine.graph().output();
        let [train, mut test] = [self.train, self.test].map(|images| batch.min(images));
        if self.freezing.as_ref().is_some_and(|freezing| freezing.kept.is_some()) {
            test = test.max(AT_A_TIME.min(self.train.max(self.test)));
        }
        let (mut training, mut kept, mut scratch) = (0, 0, 0);
        for on in self.freezing.as_ref().map_or(vec![false], |freezing| freezing.phases(self.epochs)) {
            if let Some(freezing) = &self.freezing {
                freezing.enter(engine, on)?;
            }
            let plan = engine.plan(Mode::train(), train).map_err(TrainError::executor)?;
            // the parameters and their gradients, and one arena for all plans
            training = training.max(plan.arena_bytes());
            kept = kept.max(plan.memory_bytes() - plan.arena_bytes());
            scratch = scratch.max(plan.scratch_bytes());
        }
        thaw(engine)?;
        let plan = engine.plan(Mode::infer(&[output]), test).map_err(TrainError::executor)?;
        let (testing, scratch) = (plan.arena_bytes(), scratch.max(plan.scratch_bytes()));
        let scratch = if scratch < LARGE { scratch } else { scratch.next_multiple_of(LARGE_PAGE) };
        let numbers: usize = engine.graph().params.iter().map(|spec| spec.len()).sum();
        // while saving: the numbers copied out of the engine; what the update rule remembers and the average besides, in the
        // engine and copied out of it; the gradients of the batches before
        let copies = 1 + 2 * (self.remembered + self.averaged) + self.summed;
        // and the batch that waits until it is known whether it is the last of its step
        let batches = (Loader::BATCHES + self.summed) * train.max(test) * engine.graph().input_shape().len();
        let values = size_of::<f32>() * (numbers * copies + batches);
        Ok((training.max(testing) + kept + values + scratch * self.threads + self.data) as u64)
    }
}

/// The memory that a run of a network of the zoo takes, for any number of images a step.
#[derive(Debug)]
pub struct RunMemory {
    engine: Engine,
    need: Need,
}

impl RunMemory {
    /// Of a run with these options (whatever their batch size) on `dataset`, which is in memory already.
    ///
    /// # Errors
    /// Those of [`run`](crate::run) before anything is computed: options that make no sense, a network that does not take
    /// the images.
    pub fn of(options: &TrainOptions, dataset: &Dataset) -> Result<Self, TrainError> {
        let graph = graph(options, dataset)?;
        let freezing = Freezing::of(options, &graph, images(options, dataset))?;
        let need = Need::of(options, dataset, freezing);
        let machine = Machine { threads: Some(1), ..Machine::of(options) };
        Ok(Self { engine: machine.engine_for(graph)?, need })
    }

    /// Bytes that are still to be had before a run with `batch` images a step is at its fullest.
    ///
    /// # Errors
    /// [`TrainError::Executor`] if its maps are more than an address space holds.
    pub fn to_come(&mut self, batch: usize) -> Result<u64, TrainError> {
        let all = self.need.bytes(&mut self.engine, batch)?;
        Ok(all.saturating_sub(self.need.data as u64) + PROGRAM)
    }

    /// Bytes of the run's files at their most: the last weights, the best, and those that are being written; and what a frozen
    /// part gives for the pictures, if that is kept.
    pub fn files(&self) -> u64 {
        let checkpoint = checkpoint::bytes(self.engine.graph(), self.need.remembered, self.need.averaged);
        let kept = self.kept().map_or(0, |kept| kept.bytes([self.need.train, self.need.test]));
        2 * checkpoint + checkpoint::bytes(self.engine.graph(), 0, 0) + kept
    }

    fn kept(&self) -> Option<KeptValues> {
        self.need.freezing.as_ref().and_then(|freezing| freezing.kept)
    }

    /// Whether every picture is read once in the whole run, because what becomes of it is kept.
    pub fn reads_once(&self) -> bool {
        let freezes_throughout =
            self.need.freezing.as_ref().is_some_and(|freezing| freezing.phases(self.need.epochs) == [true]);
        freezes_throughout && self.kept().is_some_and(|kept| kept.views == 1)
    }

    /// Threads that compute.
    pub fn threads(&self) -> usize {
        self.need.threads
    }

    /// Images that a run learns from: a larger batch takes no more.
    pub fn images(&self) -> usize {
        self.need.train
    }
}
