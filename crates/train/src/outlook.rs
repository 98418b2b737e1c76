//! What a run is about to do, told before its first step: how much, in how much memory, in about how much time.

use plusx_data::{Dataset, Loader};
use plusx_engine::{Engine, Mode};
use plusx_model::executor::Executor;
use plusx_model::summary::Summary;

use crate::error::TrainError;
use crate::estimate::{self, Work};
use crate::event::PlanReport;
use crate::job::samples;
use crate::load::Machine;
use crate::options::TrainOptions;

/// The part of the machine that the options ask for.
pub(crate) fn machine(options: &TrainOptions) -> Machine {
    Machine { threads: options.threads, isa: options.isa, exact: options.exact }
}

/// The plan of a run on `engine`.
pub(crate) fn report(
    options: &TrainOptions,
    dataset: &Dataset,
    engine: &mut Engine,
) -> Result<PlanReport, TrainError> {
    let summary = Summary::new(&options.model, engine.graph());
    let samples = samples(&dataset.train, options).len();
    let machine = machine(options);
    let test_images = dataset.test.len();
    let epochs = u64::from(options.epochs);
    let mut train = epochs * samples as u64;
    if let Some(max) = options.max_steps {
        train = train.min(max.saturating_mul(options.batch_size as u64));
    }
    let passes = train.div_ceil(samples as u64);
    let work = Work { train, test: passes * test_images as u64 };
    Ok(PlanReport {
        model: options.model.clone(),
        input: summary.input.to_string(),
        parameters: summary.total_params,
        macs: summary.total_macs,
        data: options.data.clone(),
        data_source: dataset.source.clone(),
        train_images: samples,
        test_images,
        epochs: options.epochs,
        steps_per_epoch: samples.div_ceil(options.batch_size) as u64,
        batch_size: options.batch_size,
        threads: machine.threads(),
        isa: machine.level().name().into(),
        memory_bytes: memory(options, dataset, engine, samples)?,
        estimate_seconds: estimate::guess(work, summary.total_macs, &machine),
    })
}

/// Bytes of the run at its fullest, which is while a checkpoint is being written.
fn memory(
    options: &TrainOptions,
    dataset: &Dataset,
    engine: &mut Engine,
    samples: usize,
) -> Result<u64, TrainError> {
    let output = engine.graph().output();
    let [train, test] = [samples, dataset.test.len()].map(|images| options.batch_size.min(images));
    let plan = engine.plan(Mode::train(), train).map_err(TrainError::executor)?;
    // the parameters and their gradients, and one arena for all plans
    let (training, kept) = (plan.arena_bytes(), plan.memory_bytes() - plan.arena_bytes());
    let testing = engine.plan(Mode::infer(&[output]), test).map_err(TrainError::executor)?.arena_bytes();
    let numbers: usize = engine.graph().params.iter().map(|spec| spec.len()).sum();
    // while saving: the numbers copied out of the engine, and the file; with momentum the velocity besides, in the
    // engine and in both of these
    let copies = if options.momentum > 0.0 { 5 } else { 2 };
    let batches = Loader::BATCHES * train.max(test) * engine.graph().input_shape().len();
    let pixels = dataset.train.images.len() + dataset.test.images.len();
    let labels = size_of::<u32>() * (dataset.train.len() + dataset.test.len());
    let values = size_of::<f32>() * (numbers * copies + batches);
    Ok((training.max(testing) + kept + values + pixels + labels) as u64)
}
