//! What a run is about to do: how much, in how much memory, in about how much time. This is told before the first step.

use plusx_data::Dataset;
use plusx_engine::{Engine, Precision};
use plusx_formats::foreign::Adopted;
use plusx_model::executor::Executor;
use plusx_model::graph::Graph;
use plusx_model::summary::Summary;
use plusx_model::words::counted;

use crate::class_names;
use crate::error::TrainError;
use crate::estimate::{self, Work};
use crate::event::PlanReport;
use crate::freezing::Freezing;
use crate::job::{epoch_images, measured_images, points, samples};
use crate::layer_decay;
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
    let images_per_step = options.images_per_step();
    if let Some(max) = options.max_steps {
        train = train.min(max.saturating_mul(images_per_step as u64));
    }
    let passes = train.div_ceil(of_epoch as u64);
    let points = points(options, train.div_ceil(images_per_step as u64), passes);
    let images = [samples, test_images];
    let freezing = Freezing::of(options, engine.graph(), images)?;
    let test = passes * test_images as u64 + points * measured_images(options, test_images);
    let work = work(freezing.as_ref(), engine.graph(), Work { train, test }, images, options.all_epochs());
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
        steps_per_epoch: of_epoch.div_ceil(images_per_step) as u64,
        schedule: Schedule::of(options, of_epoch.div_ceil(images_per_step) as u64).words(),
        frozen: freezing.as_ref().map(|freezing| freezing.words(engine.graph(), images)),
        layer_decay: layer_decay::words(engine.graph(), options),
        batch_size: options.batch_size,
        grad_accum_steps: options.grad_accum_steps,
        threads: machine.threads(),
        isa: machine.level().name().into(),
        precision: (machine.precision != Precision::Highest).then(|| machine.precision.to_string()),
        hint: hint(&machine),
        memory_bytes: Need::of(options, dataset, freezing).bytes(engine, options.batch_size)?,
        estimate_seconds: estimate::guess(work, summary.total_macs, &machine),
        time: None,
        notes: remarks(options, dataset),
    })
}

/// Which precision would be fastest, where that is not the usual one. Not everybody who has such a machine knows of it.
fn hint(machine: &Machine) -> Option<String> {
    let gain = |precision: &Precision| estimate::gain(machine.level(), *precision);
    let best = Precision::ALL.into_iter().max_by(|a, b| gain(a).total_cmp(&gain(b)))?;
    (machine.precision == Precision::Highest && gain(&best) > 1.0).then(|| {
        let gain = gain(&best);
        format!("--precision {best} would be about {gain} times as fast here; docs/precision.md says what it changes")
    })
}

/// What is to be done, with images of epochs in which a part does not learn as what they cost, and those whose values are kept.
fn work(freezing: Option<&Freezing>, graph: &Graph, all: Work, images: [usize; 2], epochs: u32) -> Work {
    let Some(freezing) = freezing else { return all };
    let frozen = all.train.min(u64::from(freezing.frozen(epochs)) * images[0] as u64);
    let [now, then] = freezing.costs(freezing.tail(graph));
    let train = all.train - frozen + (frozen as f64 * now / then) as u64;
    match freezing.kept {
        None => Work { train, test: all.test },
        Some(kept) => {
            let made = u64::from(kept.views) * images[0] as u64 + images[1] as u64;
            let tested = all.test * (all.train - frozen) / all.train.max(1);
            Work { train, test: tested + made }
        }
    }
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
