//! What a run is about to do: how much, in how much memory, in about how much time. This is told before the first step.

use plusx_data::Dataset;
use plusx_engine::Engine;
use plusx_formats::foreign::Adopted;
use plusx_model::executor::Executor;
use plusx_model::summary::Summary;
use plusx_model::words::counted;

use crate::class_names;
use crate::error::TrainError;
use crate::estimate::{self, Work};
use crate::event::PlanReport;
use crate::job::{epoch_images, measured_images, points, samples};
use crate::load::Machine;
use crate::memory::Need;
use crate::options::TrainOptions;
use crate::remarks::remarks;
use crate::schedule::Schedule;

/// The plan of a run on `engine`, which begins with `adopted` if it starts from a file.
pub(crate) fn report(
    options: &TrainOptions,
    dataset: &Dataset,
    engine: &mut Engine,
    adopted: Option<&Adopted>,
) -> Result<PlanReport, TrainError> {
    let summary = Summary::new(&options.model, engine.graph());
    check_steps(options, dataset)?;
    let samples = samples(&*dataset.train, options).len();
    let of_epoch = epoch_images(options, samples);
    let machine = Machine::of(options);
    let test_images = dataset.val.len();
    let epochs = u64::from(options.all_epochs());
    let mut train = epochs * of_epoch as u64;
    if let Some(max) = options.max_steps {
        train = train.min(max.saturating_mul(options.batch_size as u64));
    }
    let passes = train.div_ceil(of_epoch as u64);
    let points = points(options, train.div_ceil(options.batch_size as u64), passes);
    let work =
        Work { train, test: passes * test_images as u64 + points * measured_images(options, test_images) };
    Ok(PlanReport {
        model: options.model.clone(),
        input: summary.input.to_string(),
        parameters: summary.total_params,
        macs: summary.total_macs,
        pretrained: adopted
            .zip(options.pretrained.as_ref())
            .map(|(adopted, from)| {
                let others = class_names::first_difference(from.classes(), &dataset.classes);
                let others = others.map_or_else(String::new, |others| {
                    format!("\nits classifier was trained on as many other classes ({others}); training goes on from its weights")
                });
                format!("{} (SHA-256 {}): {}{others}", from.name, from.sha256, adopted.report)
            }),
        pictures: options.preprocess.as_ref().map(|_| options.record(summary.input).to_string()),
        data: options.data.clone(),
        data_source: dataset.source.clone(),
        train_images: samples,
        test_images,
        held_out: dataset.held_out.to_string(),
        epochs: options.all_epochs(),
        steps_per_epoch: of_epoch.div_ceil(options.batch_size) as u64,
        schedule: Schedule::of(options, of_epoch.div_ceil(options.batch_size) as u64).words(),
        batch_size: options.batch_size,
        threads: machine.threads(),
        isa: machine.level().name().into(),
        memory_bytes: Need::of(options, dataset).bytes(engine, options.batch_size)?,
        estimate_seconds: estimate::guess(work, summary.total_macs, &machine),
        notes: remarks(options, dataset),
    })
}

/// Refuses data that would give no step of an epoch.
pub(crate) fn check_steps(options: &TrainOptions, dataset: &Dataset) -> Result<(), TrainError> {
    let used = samples(&*dataset.train, options).len();
    if epoch_images(options, used) > 0 {
        return Ok(());
    }
    let (batch, images) = (options.batch_size, counted(used as u64, "training image"));
    Err(TrainError::Unfit {
        data: dataset.name.clone(),
        reason: format!(
            "only {images}, fewer than --batch-size {batch}, and --drop-last leaves out a smaller batch: nothing would be learnt; \
             --batch-size auto, or {used} or less"
        ),
    })
}
