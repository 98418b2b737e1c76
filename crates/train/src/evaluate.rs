//! How good a network is on images it did not learn from.

use std::path::Path;

use plusx_data::{BatchPlan, Dataset, LeftOut, Loader};
use plusx_engine::{Engine, Mode};
use plusx_model::executor::{Executor, Images};
use plusx_model::words::counted;
use plusx_weights::MOST_BYTES;
use serde::Serialize;

use crate::class_names::{self, ClassNamePolicy};
use crate::error::{PathDisplay, TrainError};
use crate::event::{Event, Observer, Silent};
use crate::features::Batches;
use crate::load::{Machine, load_model};
use crate::network::{check_split, fits};

/// Images per batch of [`evaluate`], at most; the result does not depend on it.
const BATCH: usize = 256;

/// What an evaluation finds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct EvalReport {
    /// Mean cross-entropy per image, in nats.
    pub loss: f64,
    /// Share of images whose class has the largest logit, 0 to 1.
    pub top1: f64,
    /// Share of images whose class is among the five largest logits, 0 to 1.
    pub top5: f64,
    /// Images.
    pub n: u64,
}

/// Evaluates a weight file on the test images of `dataset`, prepared as the file says, running statistics in place of the
/// batch's. The file's classes must be the data set's, by number and name; [`evaluate_with`] can do without the names.
///
/// # Errors
/// Those of [`load_model`], [`TrainError::Unfit`] if the images or classes are not the network's, and
/// [`TrainError::TooLarge`] if one image takes more memory than a file may ask for.
pub fn evaluate(weights: &Path, dataset: Dataset, machine: Machine) -> Result<EvalReport, TrainError> {
    let options = EvalOptions { machine, ..EvalOptions::default() };
    evaluate_with(weights, dataset, &options, &mut Silent)
}

/// How [`evaluate_with`] goes about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvalOptions {
    /// Which part of the machine to use.
    pub machine: Machine,
    /// What becomes of classes that the weight file and the data set call otherwise.
    pub names: ClassNamePolicy,
    /// Bytes that maps and inputs may take, where that is known; the batches become smaller. Default: not known.
    pub memory: Option<u64>,
}

/// As [`evaluate`], with options. `observer` hears an [`Event::Warning`] if classes were taken for the same without being
/// called so.
///
/// # Errors
/// Those of [`evaluate`], and [`TrainError::NoRoom`] if one image takes more than the memory there is.
pub fn evaluate_with(
    weights: &Path,
    dataset: Dataset,
    options: &EvalOptions,
    observer: &mut dyn Observer,
) -> Result<EvalReport, TrainError> {
    let model = load_model(weights)?;
    let preprocess = &model.meta.preprocess;
    let channels = dataset.val.channels();
    if !fits(channels, preprocess.input.c) {
        let reason = format!(
            "images of {}, but {} takes {}",
            counted(channels as u64, "channel"),
            weights.display(),
            preprocess.input.c
        );
        return Err(TrainError::Unfit { data: dataset.name, reason });
    }
    if let Some(message) = class_names::compare(&model.meta, weights, &dataset, options.names)? {
        observer.event(&Event::Warning { message });
    }
    check_split(&dataset.name, &dataset.held_out.to_string(), &*dataset.val, dataset.classes.len())?;
    let mut executor = options.machine.engine(&model)?;
    let batch_size = fitting_batch(&mut executor, weights)?;
    let batch_size = shrunk(&mut executor, batch_size, options.memory).map_err(|(needed, left)| {
        let path = PathDisplay(weights.into());
        TrainError::NoRoom { path, needed: needed / 1_000_000, left: left / 1_000_000 }
    })?;
    let threads = options.machine.threads();
    let order = (0..dataset.val.len() as u32).collect();
    let preprocess = preprocess.clone();
    let plan = BatchPlan { order, batch_size, first: 0, preprocess, augment: None, threads };
    let batches = Batches::Pictures(Loader::new(dataset.val, plan));
    let Some(Passed { report, left_out }) = pass_over(batches, &mut executor, &mut |_| true)? else {
        unreachable!("the pass was never told to stop")
    };
    for LeftOut { path, reason } in left_out {
        observer
            .event(&Event::Warning { message: format!("{}: {reason}; it is left out", path.escape_debug()) });
    }
    if report.n == 0 {
        return Err(TrainError::Unfit {
            data: dataset.name,
            reason: "none of its pictures can be read".into(),
        });
    }
    Ok(report)
}

/// The largest batch of up to 256 images whose maps and inputs take at most 2.5 GB on `engine`.
///
/// # Errors
/// [`TrainError::TooLarge`], naming the file `weights`, if not even one image fits: how large its images are is said by
/// the file.
pub fn fitting_batch(engine: &mut Engine, weights: &Path) -> Result<usize, TrainError> {
    let needed = bytes(engine, 1)?;
    if needed > MOST_BYTES {
        let (needed, limit) = (needed / 1_000_000, MOST_BYTES / 1_000_000);
        let input = engine.graph().input_shape().to_string();
        return Err(TrainError::TooLarge { path: PathDisplay(weights.into()), input, needed, limit });
    }
    let mut batch = 1;
    // beyond what can be planned at all is beyond the limit, too
    while batch < BATCH && bytes(engine, 2 * batch).is_ok_and(|bytes| bytes <= MOST_BYTES) {
        batch *= 2;
    }
    Ok(batch)
}

/// The batch, halved until it fits into `memory`; what one image takes, and the memory, if none does.
fn shrunk(engine: &mut Engine, batch: usize, memory: Option<u64>) -> Result<usize, (u64, u64)> {
    let Some(left) = memory else { return Ok(batch) };
    let mut batch = batch;
    loop {
        // what can be planned for many images can be for fewer
        let needed = bytes(engine, batch).unwrap_or(u64::MAX).saturating_add(scratch(engine, batch));
        match batch {
            _ if needed <= left => return Ok(batch),
            1 => return Err((needed, left)),
            _ => batch /= 2,
        }
    }
}

/// The scratch of all threads.
fn scratch(engine: &mut Engine, n: usize) -> u64 {
    let (mode, threads) = (Mode::infer(&[engine.graph().output()]), engine.threads());
    engine.plan(mode, n).map_or(0, |plan| plan.scratch_bytes() * threads) as u64
}

/// What the maps of `n` images take, and the batches a loader holds.
fn bytes(engine: &mut Engine, n: usize) -> Result<u64, TrainError> {
    let mode = Mode::infer(&[engine.graph().output()]);
    let values = Loader::BATCHES * n * engine.graph().input_shape().len();
    let arena = engine.plan(mode, n).map_err(TrainError::executor)?.arena_bytes();
    Ok((arena + values * size_of::<f32>()) as u64)
}

/// What a pass found.
pub(crate) struct Passed {
    pub(crate) report: EvalReport,
    /// Pictures that could not be read, and have no part in the report.
    pub(crate) left_out: Vec<LeftOut>,
}

/// One pass over batches: classifies every image. After each batch `go_on` hears how many are done and may end the pass, which
/// then gives `None`.
pub(crate) fn pass_over<E: Executor>(
    mut batches: Batches,
    executor: &mut E,
    go_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Passed>, TrainError> {
    let output = executor.graph().output();
    let mut tally = Tally::default();
    let mut left_out = Vec::new();
    while let Some(batch) = batches.next() {
        let mut batch = batch?;
        left_out.append(&mut batch.left_out);
        if batch.n == 0 {
            batches.recycle(batch);
            continue;
        }
        let images = Images { data: &batch.images, n: batch.n };
        let values = executor.infer(images, &[output]).map_err(TrainError::executor)?;
        let [logits] = &values[..] else { unreachable!("one node was asked for") };
        for (row, label) in logits.data.chunks_exact(logits.shape.len()).zip(&batch.labels) {
            tally.add(row, *label as usize);
        }
        batches.recycle(batch);
        if !go_on(tally.n as usize) {
            return Ok(None);
        }
    }
    Ok(Some(Passed { report: tally.report(), left_out }))
}

/// Sums over the images so far, in their order.
#[derive(Default)]
struct Tally {
    loss: f64,
    top1: u64,
    top5: u64,
    n: u64,
}

impl Tally {
    fn add(&mut self, logits: &[f32], label: usize) {
        let rank = rank(logits, label);
        self.loss += cross_entropy(logits, label);
        self.top1 += u64::from(rank < 1);
        self.top5 += u64::from(rank < 5);
        self.n += 1;
    }

    fn report(&self) -> EvalReport {
        let mean = |sum: f64| sum / self.n.max(1) as f64;
        EvalReport {
            loss: mean(self.loss),
            top1: mean(self.top1 as f64),
            top5: mean(self.top5 as f64),
            n: self.n,
        }
    }
}

/// How many classes come before `label`: those with a larger logit, and equal ones with a smaller index (the first
/// of equals wins, as in argmax). A logit that is not a number comes last.
fn rank(logits: &[f32], label: usize) -> usize {
    let own = logits[label];
    if own.is_nan() {
        return logits.len();
    }
    logits
        .iter()
        .enumerate()
        .filter(|(index, logit)| **logit > own || (**logit == own && *index < label))
        .count()
}

/// ln(sum exp(logits)) - logit of the label, in f64, with an exp and ln that are the same on every machine.
fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| libm::exp(f64::from(*logit) - f64::from(max))).sum();
    libm::log(sum) + f64::from(max) - f64::from(logits[label])
}

#[cfg(test)]
mod tests {
    use plusx_model::shape::ImageShape;
    use plusx_model::trace::{Names, trace};
    use plusx_model::zoo::{self, ZooOptions};

    use super::*;

    #[test]
    fn batches_shrink_as_images_grow() {
        let machine = Machine { threads: Some(1), ..Machine::default() };
        for (side, batch) in [(96, BATCH), (512, 64), (2048, 4)] {
            let block = zoo::build("resnet18-d2l", ZooOptions { classes: 10 }).unwrap();
            let graph = trace(&*block, ImageShape::new(1, side, side), &mut Names::new()).unwrap();
            let mut engine = machine.engine_for(graph).unwrap();
            assert_eq!(fitting_batch(&mut engine, Path::new("w")).unwrap(), batch, "{side}");
            assert!(bytes(&mut engine, batch).unwrap() <= MOST_BYTES, "{side}");
            assert!(batch == BATCH || bytes(&mut engine, 2 * batch).unwrap() > MOST_BYTES, "{side}");
        }
    }

    #[test]
    fn batches_shrink_with_the_memory() {
        let machine = Machine { threads: Some(2), ..Machine::default() };
        let block = zoo::build("resnet18-d2l", ZooOptions { classes: 10 }).unwrap();
        let graph = trace(&*block, ImageShape::new(1, 96, 96), &mut Names::new()).unwrap();
        let mut engine = machine.engine_for(graph).unwrap();
        assert_eq!(shrunk(&mut engine, BATCH, None), Ok(BATCH));
        for batch in [BATCH, 32, 2, 1] {
            let needed = bytes(&mut engine, batch).unwrap() + scratch(&mut engine, batch);
            assert_eq!(shrunk(&mut engine, BATCH, Some(needed)), Ok(batch));
        }
        let one = bytes(&mut engine, 1).unwrap() + scratch(&mut engine, 1);
        assert_eq!(shrunk(&mut engine, BATCH, Some(one - 1)), Err((one, one - 1)));
    }

    #[test]
    fn ranks_break_ties_by_the_first_class() {
        let logits = [1.0, 3.0, 3.0, -2.0];
        assert_eq!([0, 1, 2, 3].map(|label| rank(&logits, label)), [2, 0, 1, 3]);
        assert_eq!(rank(&[f32::NAN, 0.0], 0), 2);
    }

    #[test]
    fn uniform_logits_cost_the_logarithm_of_the_classes() {
        assert!((cross_entropy(&[0.5; 10], 3) - 10_f64.ln()).abs() < 1e-12);
        assert!(cross_entropy(&[1000.0, -1000.0], 1) > 1999.0);
        assert!(cross_entropy(&[f32::NAN, 0.0], 0).is_nan());
    }

    #[test]
    fn tallies_count_five_best() {
        let mut tally = Tally::default();
        let logits = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0];
        for label in 0..7 {
            tally.add(&logits, label);
        }
        let report = tally.report();
        assert_eq!((report.n, report.top1, report.top5), (7, 1.0 / 7.0, 5.0 / 7.0));
    }
}
