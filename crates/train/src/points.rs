//! `points.csv`: errors at points inside epochs and at their ends, in whole numbers.
//!
//! The *training error* of a point is the share of images that were answered wrongly since the point before it, or since the
//! epoch began. Each image counts as the network answered it in training mode, before the step that learnt from it. So the
//! error costs nothing, and no image is counted twice.
//!
//! The *test error* of a point is that of the network as it is after the step, in evaluation mode. Inside an epoch it is
//! measured on the images of `measure_limit`. At the end of an epoch and of the run it is measured on all test images.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plusx_formats::atomic;

use crate::answers::{Answers, TrainTest};
use crate::error::TrainError;
use crate::evaluate::EvalReport;
use crate::job::Job;
use crate::state::State;

/// The columns. Epochs and steps count from 1; a step is one of the run.
const HEADER: &str = "epoch,step,train_images,train_wrong,test_images,test_wrong";

/// One point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Point {
    pub(crate) epoch: u64,
    /// Steps of the run done.
    pub(crate) step: u64,
    /// Of the images learnt from since the point before, and of the test images looked at.
    pub(crate) answers: TrainTest<Answers>,
}

impl Point {
    fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<u64> = line.split(',').map(|field| field.parse().ok()).collect::<Option<_>>()?;
        let [epoch, step, seen, missed, tested, wrong] = numbers[..] else { return None };
        let train = Answers { images: seen, wrong: missed };
        let test = Answers { images: tested, wrong };
        Some(Self { epoch, step, answers: TrainTest { train, test } })
    }
}

/// The file and its points, first step first.
#[derive(Debug)]
pub(crate) struct Points {
    path: PathBuf,
    points: Vec<Point>,
}

impl Points {
    /// The points that `state` confirms, of a run that measures; those of later steps come again.
    ///
    /// # Errors
    /// [`TrainError::BadRun`] if the file is gone or foreign: without the points before it, the next would be wrong.
    pub(crate) fn open(job: &Job, state: &State) -> Result<Self, TrainError> {
        let path = job.folder.points();
        let Some(every) = job.options.measure_every else { return Ok(Self { path, points: Vec::new() }) };
        // a process killed while it measured for the first time has saved the step and left no file
        let first = every.min(job.steps());
        if state.step <= first && !path.exists() {
            return Ok(Self { path, points: Vec::new() });
        }
        let mut points = read(&path)?;
        points.retain(|point| point.step <= state.step);
        Ok(Self { path, points })
    }

    /// Step of the last point, 0 before the first.
    pub(crate) fn last_step(&self) -> u64 {
        self.points.last().map_or(0, |point| point.step)
    }

    /// Adds the point of `state`, which is inside an epoch or at its last step, in place of one of the same step.
    pub(crate) fn push(&mut self, state: &State, report: &EvalReport) {
        self.points.retain(|point| point.step < state.step);
        let epoch = u64::from(state.epoch) + 1;
        let before = self.points.iter().filter(|point| point.epoch == epoch);
        let counted =
            before.fold(Answers::default(), |sum, Point { answers: TrainTest { train, .. }, .. }| Answers {
                images: sum.images + train.images,
                wrong: sum.wrong + train.wrong,
            });
        let wrong = state.seen.saturating_sub(state.correct);
        let train = Answers {
            images: state.seen.saturating_sub(counted.images),
            wrong: wrong.saturating_sub(counted.wrong),
        };
        let right = (report.top1 * report.n as f64).round() as u64;
        let test = Answers { images: report.n, wrong: report.n.saturating_sub(right) };
        self.points.push(Point { epoch, step: state.step, answers: TrainTest { train, test } });
    }

    /// Writes the file anew.
    pub(crate) fn write(&self) -> Result<(), TrainError> {
        let mut text = format!("{HEADER}\n");
        for Point { epoch, step, answers: TrainTest { train, test } } in &self.points {
            text +=
                &format!("{epoch},{step},{},{},{},{}\n", train.images, train.wrong, test.images, test.wrong);
        }
        Ok(atomic::write(&self.path, text.as_bytes())?)
    }
}

/// Reads the points of a run.
///
/// # Errors
/// [`TrainError::BadRun`] naming the file if it is gone or foreign.
pub(crate) fn read(path: &Path) -> Result<Vec<Point>, TrainError> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => TrainError::bad_run(
            path,
            "the file is gone, and with it the errors measured so far: remove the run's folder, and the run is made again",
        ),
        _ => TrainError::io("cannot read", path, error),
    })?;
    let point = |line: &str| {
        Point::parse(line)
            .ok_or_else(|| TrainError::bad_run(path, format!("cannot understand the row `{line}`")))
    };
    text.lines().skip(1).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(epoch: u32, step: u64, [seen, correct]: [u64; 2]) -> State {
        State { epoch, step, seen, correct, ..State::default() }
    }

    #[test]
    fn every_image_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.csv");
        let mut points = Points { path: path.clone(), points: Vec::new() };
        let report = |right: u32| EvalReport { loss: 1.0, top1: f64::from(right) / 7.0, top5: 1.0, n: 7 };
        points.push(&state(0, 2, [16, 3]), &report(1));
        points.push(&state(0, 4, [32, 10]), &report(5));
        points.push(&state(0, 5, [36, 14]), &report(6));
        // the end of the epoch was not confirmed and comes again
        points.push(&state(0, 5, [36, 14]), &report(6));
        points.push(&state(1, 7, [16, 12]), &report(7));
        points.write().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{HEADER}\n1,2,16,13,7,6\n1,4,16,9,7,2\n1,5,4,0,7,1\n2,7,16,4,7,0\n"));
        assert_eq!(read(&path).unwrap(), points.points);
        let errors = points.points[1].answers.map(Answers::error);
        assert_eq!(errors, TrainTest { train: 9.0 / 16.0, test: 2.0 / 7.0 });
        assert_eq!(points.last_step(), 7);
    }

    #[test]
    fn a_foreign_file_is_named_and_a_missing_one_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.csv");
        assert!(read(&path).unwrap_err().to_string().contains("points.csv: the file is gone"));
        fs::write(&path, "a,b\n1,2\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("`1,2`"));
    }
}
