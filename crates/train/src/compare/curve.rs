//! The errors of one run over its steps, and what several seeds have in common.

use plusx_model::words::percent;
use serde::Serialize;

use crate::answers::{Answers, TrainTest};
use crate::points::Point;

/// The columns of `compare.csv`; errors are 0 to 1, as `points.csv` of each run defines them.
const HEADER: &str = "model,seed,step,train_error,test_error";

/// One finished run.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Curve {
    pub(super) model: String,
    pub(super) seed: u32,
    /// First step first.
    pub(super) points: Vec<CurvePoint>,
    /// Of how many images the errors at the end are.
    pub(super) images: TrainTest<u64>,
}

/// The errors after a step, 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct CurvePoint {
    /// Steps of the run done.
    pub(super) step: u64,
    pub(super) errors: TrainTest<f64>,
}

impl Curve {
    pub(super) fn new(model: &str, seed: u32, points: &[Point]) -> Self {
        let images = points.last().map_or_else(TrainTest::default, |point| point.answers.map(|of| of.images));
        let points = points.iter().map(|point| {
            let errors = point.answers.map(Answers::error);
            CurvePoint { step: point.step, errors }
        });
        let points = points.collect();
        Self { model: model.into(), seed, points, images }
    }

    /// The errors at the end.
    pub(super) fn last(&self) -> TrainTest<f64> {
        let none = TrainTest { train: f64::NAN, test: f64::NAN };
        self.points.last().map_or(none, |point| point.errors)
    }
}

/// Text of `compare.csv`: models in the order given, seeds upwards, steps upwards.
pub(super) fn csv(models: &[String], curves: &[Curve]) -> String {
    let mut text = format!("{HEADER}\n");
    for curve in models.iter().flat_map(|model| of(model, curves)) {
        for CurvePoint { step, errors: TrainTest { train, test } } in &curve.points {
            text += &format!("{},{},{step},{train:.6},{test:.6}\n", curve.model, curve.seed);
        }
    }
    text
}

/// The runs of one network.
pub(super) fn of<'a>(model: &'a str, curves: &'a [Curve]) -> impl Iterator<Item = &'a Curve> {
    curves.iter().filter(move |curve| curve.model == model)
}

/// Of how many images the errors at the end of one network's runs are, at least.
pub(super) fn images(model: &str, curves: &[Curve]) -> TrainTest<u64> {
    let least = |which: fn(&Curve) -> u64| of(model, curves).map(which).min().unwrap_or(0);
    TrainTest { train: least(|curve| curve.images.train), test: least(|curve| curve.images.test) }
}

/// A mean over seeds and how far they spread.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the sample (n - 1 below the root); none of a single seed.
    pub sd: Option<f64>,
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Self { mean, sd: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()) }
    }

    /// In percent: `12.34 ± 0.56`, or without the second part; with the digits that shares of `images` images bear.
    pub fn percent(&self, images: u64) -> String {
        let mean = percent(self.mean, images);
        self.sd.map_or_else(|| mean.clone(), |sd| format!("{mean} ± {}", percent(sd, images)))
    }
}

/// What the seeds of one network gave at the end of their runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ModelErrors {
    /// Name of the network.
    pub model: String,
    /// Runs.
    pub seeds: usize,
    /// Steps of each run.
    pub step: u64,
    /// Training error of the last point, 0 to 1.
    pub train_error: Spread,
    /// Test error of the last point, 0 to 1: of all test images.
    pub test_error: Spread,
    /// Training images that the error of each run is of.
    pub train_images: u64,
    /// Test images likewise.
    pub test_images: u64,
}

impl ModelErrors {
    pub(super) fn of(model: &str, curves: &[Curve]) -> Self {
        let last: Vec<TrainTest<f64>> = of(model, curves).map(Curve::last).collect();
        let spread =
            |which: fn(&TrainTest<f64>) -> f64| Spread::of(&last.iter().map(which).collect::<Vec<_>>());
        let images = images(model, curves);
        Self {
            model: model.into(),
            seeds: last.len(),
            step: of(model, curves)
                .filter_map(|curve| curve.points.last())
                .map(|point| point.step)
                .max()
                .unwrap_or(0),
            train_error: spread(|errors| errors.train),
            test_error: spread(|errors| errors.test),
            train_images: images.train,
            test_images: images.test,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_those_of_a_sample() {
        // by hand: mean 4, squared distances 4 + 0 + 4 over 2
        let spread = Spread::of(&[0.02, 0.04, 0.06]);
        assert!((spread.mean - 0.04).abs() < 1e-15 && (spread.sd.unwrap() - 0.02).abs() < 1e-15);
        assert_eq!(spread.percent(10_000), "4.00 ± 2.00");
        assert_eq!(spread.percent(50), "4 ± 2");
        assert_eq!(Spread::of(&[0.5]).percent(1000), "50.0");
    }

    #[test]
    fn rows_are_sorted_by_model_then_seed() {
        let answers =
            TrainTest { train: Answers { images: 8, wrong: 4 }, test: Answers { images: 3, wrong: 1 } };
        let point = |step| Point { epoch: 1, step, answers };
        let curve = |model: &str, seed| Curve::new(model, seed, &[point(1), point(2)]);
        let curves = [curve("b", 1), curve("a", 1), curve("b", 2)];
        let text = csv(&["b".into(), "a".into()], &curves);
        assert_eq!(
            text,
            "model,seed,step,train_error,test_error\nb,1,1,0.500000,0.333333\nb,1,2,0.500000,0.333333\n\
             b,2,1,0.500000,0.333333\nb,2,2,0.500000,0.333333\na,1,1,0.500000,0.333333\na,1,2,0.500000,0.333333\n"
        );
        let errors = ModelErrors::of("b", &curves);
        assert_eq!((errors.seeds, errors.step, errors.train_error.mean), (2, 2, 0.5));
        assert_eq!(errors.train_error.sd, Some(0.0));
        assert_eq!((errors.train_images, errors.test_images), (8, 3));
    }
}
