//! How much memory a run takes, by its images a step. The plan tells it. It is asked for before the first step.

use plusx_data::{Dataset, Loader};
use plusx_engine::{Engine, Mode};
use plusx_model::executor::Executor;

use crate::checkpoint;
use crate::error::TrainError;
use crate::job::samples;
use crate::load::Machine;
use crate::network::graph;
use crate::options::TrainOptions;

/// What the program itself takes besides: its code, the libraries, the drawing of curves. Measured: 20 to 25 MB.
const PROGRAM: u64 = 24_000_000;

/// Scratch of this size and more lies on whole large pages, so that it takes up to these.
const LARGE: usize = 1 << 19;
const LARGE_PAGE: usize = 2 << 20;

/// What a run's memory follows from, besides the network and the batch.
#[derive(Clone, Copy, Debug)]
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
    /// 1 if gradients of several batches are summed, else 0.
    summed: usize,
}

impl Need {
    pub(crate) fn of(options: &TrainOptions, dataset: &Dataset) -> Self {
        Self {
            train: samples(&*dataset.train, options).len(),
            test: dataset.val.len(),
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
        let [train, test] = [self.train, self.test].map(|images| batch.min(images));
        let plan = engine.plan(Mode::train(), train).map_err(TrainError::executor)?;
        // the parameters and their gradients, and one arena for all plans
        let (training, kept) = (plan.arena_bytes(), plan.memory_bytes() - plan.arena_bytes());
        let scratch = plan.scratch_bytes();
        let plan = engine.plan(Mode::infer(&[output]), test).map_err(TrainError::executor)?;
        let (testing, scratch) = (plan.arena_bytes(), scratch.max(plan.scratch_bytes()));
        let scratch = if scratch < LARGE { scratch } else { scratch.next_multiple_of(LARGE_PAGE) };
        let numbers: usize = engine.graph().params.iter().map(|spec| spec.len()).sum();
        // while saving: the numbers copied out of the engine, and the file; what the update rule remembers and the average
        // besides, in the engine and in both of these; the gradients of the batches before
        let copies = 2 + 3 * (self.remembered + self.averaged) + self.summed;
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
        let need = Need::of(options, dataset);
        let machine = Machine { threads: Some(1), ..Machine::of(options) };
        Ok(Self { engine: machine.engine_for(graph(options, dataset)?)?, need })
    }

    /// Bytes that are still to be had before a run with `batch` images a step is at its fullest.
    ///
    /// # Errors
    /// [`TrainError::Executor`] if its maps are more than an address space holds.
    pub fn to_come(&mut self, batch: usize) -> Result<u64, TrainError> {
        let all = self.need.bytes(&mut self.engine, batch)?;
        Ok(all.saturating_sub(self.need.data as u64) + PROGRAM)
    }

    /// Bytes of the run's weight files at their most: the last, the best, and the one that is being written.
    pub fn files(&self) -> u64 {
        let checkpoint = checkpoint::bytes(self.engine.graph(), self.need.remembered, self.need.averaged);
        2 * checkpoint + checkpoint::bytes(self.engine.graph(), 0, 0)
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
