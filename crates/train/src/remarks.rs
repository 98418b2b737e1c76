//! Options that can be meant but hardly are. They are not refused: what they do is said before the first step.

use plusx_data::Dataset;
use plusx_model::summary::thousands;

use crate::job::{epoch_images, samples};
use crate::options::{ClassWeights, Freeze, LastBatchScale, Opt, Sampler, TrainOptions};
use crate::sampler::counts;
use crate::schedule::unused;

/// A sentence for each.
pub(crate) fn remarks(options: &TrainOptions, dataset: &Dataset) -> Vec<String> {
    let used = samples(&*dataset.train, options).len();
    let steps = epoch_images(options, used).div_ceil(options.images_per_step()) as u64;
    [
        idle(options),
        few_images(options, used),
        single_batch(options, used),
        decayed(options),
        slow_average(options, steps),
        lopsided(options, dataset),
        all("train-limit", options.train_limit, dataset.train.len(), "training"),
        all("measure-limit", options.measure_limit, dataset.val.len(), &dataset.held_out.to_string()),
        unmeasured(options, steps),
        untrained(options),
        one_view(options),
    ]
    .into_iter()
    .flatten()
    .chain(without(options))
    .chain(unused(options).into_iter().map(|option| {
        format!("--{option} does nothing with --sched {} and the other options given", options.sched)
    }))
    .collect()
}

/// Weights drawn at random tell little of pictures.
fn untrained(options: &TrainOptions) -> Option<String> {
    let is_part = matches!(options.freeze, Freeze::Backbone | Freeze::Stages(_));
    (is_part && options.pretrained.is_none()).then(|| {
        format!(
            "--freeze {}: what stays as it is was drawn at random; --pretrained FILE starts from weights",
            options.freeze
        )
    })
}

fn one_view(options: &TrainOptions) -> Option<String> {
    let views = options.feature_views.filter(|views| *views > 1)?;
    options.augment().is_none().then(|| {
        format!("--feature-views {views} does nothing: nothing changes the pictures at random, so one view of each is kept")
    })
}

fn idle(options: &TrainOptions) -> Option<String> {
    (options.lr == 0.0)
        .then(|| "--lr 0: nothing is learnt, the weights stay as they are at the beginning".to_owned())
}

fn few_images(options: &TrainOptions, used: usize) -> Option<String> {
    let (batch, step) = (options.batch_size, options.images_per_step());
    let divides = options.last_batch_scale == LastBatchScale::Full;
    if options.grad_accum_steps > 1 {
        let batches = options.grad_accum_steps;
        return (step > used && divides && !options.drop_last).then(|| {
            format!(
                "--grad-accum-steps {batches} with --batch-size {batch}: there are only {used} training images, so an epoch is a \
                 single step; the recipe divides its gradient by {step} all the same, which makes the step {:.3} as long: \
                 --last-batch-scale actual does not",
                used as f64 / step as f64
            )
        });
    }
    (batch > used && divides && !options.drop_last).then(|| {
        format!(
            "--batch-size {batch}: there are only {used} training images, so an epoch is a single step; the recipe divides \
             its gradient by {batch} all the same, which makes the step {:.3} as long: --batch-size {used} does not",
            used as f64 / batch as f64
        )
    })
}

/// Batches of a step that are not there.
fn single_batch(options: &TrainOptions, used: usize) -> Option<String> {
    let (batches, batch) = (options.grad_accum_steps, options.batch_size);
    (batches > 1 && batch >= used).then(|| {
        format!("--grad-accum-steps {batches} does nothing: all {used} training images are one batch of --batch-size {batch}")
    })
}

fn decayed(options: &TrainOptions) -> Option<String> {
    let (lr, decay) = (options.lr, options.weight_decay);
    (lr * decay >= 1.0).then(|| {
        format!(
            "--weight-decay {decay} with --lr {lr}: every step takes the whole of every weight away, or more"
        )
    })
}

/// Part of the first step's parameters in the average at the end of a run from which on it is said.
const STALE: f64 = 0.05;

/// The average begins with the parameters after the first step, and a short run does not forget them.
fn slow_average(options: &TrainOptions, steps: u64) -> Option<String> {
    let decay = options.average_decay()?;
    let steps = (u64::from(options.all_epochs()) * steps).min(options.max_steps.unwrap_or(u64::MAX));
    let left = decay.powf(steps.saturating_sub(1) as f64);
    let fitting = (0.01_f64.powf(1.0 / steps as f64) * 1e4).floor() / 1e4;
    (left > STALE).then(|| {
        format!(
            "--model-ema-decay {decay}: after all {steps} steps the average is still {:.0} % what the network was after the first, \
             and the average is what is measured and kept as the best weights; {fitting} would suit this run",
            100.0 * left
        )
    })
}

/// Ratio of the largest class to the smallest from which on it is said.
const LOPSIDED: u64 = 3;

/// A network learns to guess the classes that it sees often. Classes without pictures are the data set's remarks.
fn lopsided(options: &TrainOptions, dataset: &Dataset) -> Option<String> {
    let counts = counts(dataset.train.labels(), dataset.classes.len());
    let there = || counts.iter().zip(&dataset.classes).filter(|(count, _)| **count > 0);
    let (most, least) =
        (there().max_by_key(|(count, _)| **count)?, there().min_by_key(|(count, _)| **count)?);
    let is_lopsided = *most.0 > LOPSIDED * *least.0;
    (is_lopsided && options.sampler == Sampler::Shuffle && options.class_weights == ClassWeights::None).then(|| {
        format!(
            "the classes are lopsided: {:?} has {} training images, {:?} {}. The network will lean towards the large ones, and \
             accuracy will hide it: --sampler balanced shows each class equally often, --class-weights balanced makes the images \
             of small classes weigh more",
            most.1,
            thousands(*most.0),
            least.1,
            thousands(*least.0)
        )
    })
}

/// Steps of AdamW are about as long as its rate, whatever the gradients: rates that suit gradient descent are far too large.
const LARGE_FOR_ADAMW: f32 = 0.01;

fn adamw(options: &TrainOptions) -> Option<String> {
    (options.opt == Opt::AdamW)
        .then_some(options.lr)
        .filter(|lr| *lr > LARGE_FOR_ADAMW)
        .map(|lr| format!("--opt adamw: a learning rate of {lr} is large for it; 0.001 is usual"))
}

/// Options that do nothing without another one.
fn without(options: &TrainOptions) -> Vec<String> {
    [
        (options.min_delta > 0.0 && options.patience.is_none(), "min-delta", "patience"),
        (options.decay_weights_only && options.weight_decay == 0.0, "decay-weights-only", "weight-decay"),
        (options.no_norm_decay && options.weight_decay == 0.0, "no-norm-decay", "weight-decay"),
        (options.momentum > 0.0 && options.opt == Opt::AdamW, "momentum", "opt sgd"),
    ]
    .into_iter()
    .filter(|(idle, ..)| *idle)
    .map(|(_, option, other)| format!("--{option} does nothing without --{other}"))
    .chain(adamw(options))
    .chain((options.no_norm_decay && options.decay_weights_only).then(|| {
        "--no-norm-decay does nothing with --decay-weights-only, by which norms do not decay either"
            .to_owned()
    }))
    .collect()
}

fn all(option: &str, limit: Option<usize>, images: usize, which: &str) -> Option<String> {
    let limit = limit.filter(|limit| *limit > images)?;
    let images = thousands(images as u64);
    Some(format!("--{option} {limit}: there are only {images} {which} images, and all of them are used"))
}

fn unmeasured(options: &TrainOptions, steps: u64) -> Option<String> {
    match (options.measure_every, options.measure_limit) {
        (Some(every), _) if every > steps => Some(format!(
            "--measure-every {every}: an epoch has fewer steps ({steps}), so errors are measured at its end alone"
        )),
        (None, Some(limit)) => Some(format!("--measure-limit {limit} does nothing without --measure-every")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use plusx_data::{FindOptions, InMemory};
    use plusx_model::shape::ImageShape;

    #[test]
    fn what_can_hardly_be_meant_is_said_and_the_rest_is_not() {
        let nowhere = FindOptions {
            data_dir: None,
            env_dir: None,
            cache_dir: None::<PathBuf>,
            ..FindOptions::default()
        };
        let dataset = plusx_data::load("fashion-mnist-mini", &nowhere).unwrap();
        let usual = TrainOptions { train_limit: Some(512), ..TrainOptions::default() };
        assert_eq!(remarks(&usual, &dataset), Vec::<String>::new());
        for (options, words) in [
            (TrainOptions { lr: 0.0, ..usual.clone() }, "nothing is learnt"),
            (TrainOptions { train_limit: Some(64), ..usual.clone() }, "only 64 training images"),
            (TrainOptions { train_limit: Some(64), ..usual.clone() }, "0.250 as long"),
            (TrainOptions { weight_decay: 20.0, ..usual.clone() }, "--weight-decay 20 with --lr 0.05"),
            (TrainOptions { train_limit: Some(6001), ..usual.clone() }, "only 6,000 training images"),
            (TrainOptions { measure_limit: Some(5), ..usual.clone() }, "nothing without --measure-every"),
            (TrainOptions { measure_every: Some(3), ..usual.clone() }, "fewer steps (2)"),
            (
                TrainOptions { measure_every: Some(1), measure_limit: Some(1001), ..usual.clone() },
                "only 1,000 test images",
            ),
            (TrainOptions { model_ema_decay: Some(0.9998), ..usual.clone() }, "still 100 % what the network"),
            (TrainOptions { model_ema_decay: Some(0.9), ..usual.clone() }, "0.6309 would suit"),
            (
                TrainOptions { batch_size: 256, grad_accum_steps: 3, ..usual.clone() },
                "divides its gradient by 768 all the same, which makes the step 0.667 as long",
            ),
            (
                TrainOptions {
                    batch_size: 512,
                    grad_accum_steps: 2,
                    last_batch_scale: LastBatchScale::Actual,
                    ..usual.clone()
                },
                "--grad-accum-steps 2 does nothing",
            ),
            (TrainOptions { min_delta: 0.1, ..usual.clone() }, "--min-delta does nothing without --patience"),
            (TrainOptions { decay_weights_only: true, ..usual.clone() }, "nothing without --weight-decay"),
            (
                TrainOptions { min_lr: Some(0.01), ..usual.clone() },
                "--min-lr does nothing with --sched constant",
            ),
        ] {
            let said = remarks(&options, &dataset);
            assert!(said.len() == 1 && said[0].contains(words), "{words}: {said:?}");
        }
    }

    #[test]
    fn lopsided_classes_are_told_with_what_to_do() {
        let usual = TrainOptions { batch_size: 4, ..TrainOptions::default() };
        let of = |counts: [usize; 3], options: &TrainOptions| {
            let labels: Vec<u32> =
                counts.iter().enumerate().flat_map(|(class, n)| vec![class as u32; *n]).collect();
            let images = vec![0; labels.len() * 4];
            let split = InMemory { images, labels, shape: ImageShape::new(1, 2, 2) };
            let classes = ["cat", "dog", "emu"].map(str::to_owned).to_vec();
            remarks(options, &Dataset::in_memory("pets", classes, split.clone(), split, "made up"))
        };
        assert_eq!(of([30, 10, 0], &usual), Vec::<String>::new());
        let said = of([31, 10, 0], &usual);
        assert!(said.len() == 1 && said[0].contains(r#""cat" has 31 training images, "dog" 10"#), "{said:?}");
        assert!(said[0].contains("--sampler balanced"), "{said:?}");
        let balanced = TrainOptions { sampler: Sampler::Balanced, ..usual };
        assert_eq!(of([31, 10, 0], &balanced), Vec::<String>::new());
    }
}
