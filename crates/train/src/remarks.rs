//! Options that can be meant but hardly are. They are not refused: what they do is said before the first step.

use plusx_data::Dataset;
use plusx_model::summary::thousands;

use crate::job::samples;
use crate::options::TrainOptions;
use crate::schedule::unused;

/// A sentence for each.
pub(crate) fn remarks(options: &TrainOptions, dataset: &Dataset) -> Vec<String> {
    let used = samples(&*dataset.train, options).len();
    let steps = used.div_ceil(options.batch_size) as u64;
    [
        idle(options),
        few_images(options, used),
        decayed(options),
        all("train-limit", options.train_limit, dataset.train.len(), "training"),
        all("measure-limit", options.measure_limit, dataset.val.len(), &dataset.held_out.to_string()),
        unmeasured(options, steps),
    ]
    .into_iter()
    .flatten()
    .chain(unused(options).into_iter().map(|option| {
        format!("--{option} does nothing with --sched {} and the other options given", options.sched)
    }))
    .collect()
}

fn idle(options: &TrainOptions) -> Option<String> {
    (options.lr == 0.0)
        .then(|| "--lr 0: nothing is learnt, the weights stay as they are at the beginning".to_owned())
}

fn few_images(options: &TrainOptions, used: usize) -> Option<String> {
    let batch = options.batch_size;
    (batch > used).then(|| {
        format!(
            "--batch-size {batch}: there are only {used} training images, so an epoch is a single step; the recipe divides \
             its gradient by {batch} all the same, which makes the step {:.3} as long: --batch-size {used} does not",
            used as f64 / batch as f64
        )
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
    use plusx_data::FindOptions;

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
        ] {
            let said = remarks(&options, &dataset);
            assert!(said.len() == 1 && said[0].contains(words), "{words}: {said:?}");
        }
    }
}
