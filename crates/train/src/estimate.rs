//! How long the run takes: a guess before the first step, a measurement from the third on.

use std::collections::VecDeque;

use plusx_engine::{Level, Precision};

use crate::load::Machine;

/// Forward, gradient of the input, gradient of the weights: a training step costs three forward passes.
const TRAINING_PASSES: f64 = 3.0;

/// Floating-point operations per second, as a direct convolution would do them, that one thread gets through over a whole
/// residual network, the memory-bound layers included: rough figures of server cores, good to a factor of two. Only the
/// first guess rests on them. Without Winograd algorithms it is about [`EXACT`] of that.
fn flops_per_thread(level: Level) -> f64 {
    match level {
        Level::Amx | Level::Avx512 => 150e9,
        Level::Avx2 => 120e9,
        Level::Portable => 30e9,
    }
}

/// Speed of direct convolutions in that of Winograd algorithms, over a whole network.
const EXACT: f64 = 0.6;

/// How many times as fast as at the highest precision a training step is, about. Of ResNet-18 and ResNet-50 on tiles of a Xeon of
/// 2023 it was 1.03 and 1.14 at `High`, 1.94 and 2.04 at `Medium` (docs/benchmarks/2026-12-01-intel-xeon/precision.md). In its vectors
/// `High` was 0.45 to 0.7, without them 0.03; `Medium` in vectors is a guess.
pub(crate) fn gain(level: Level, precision: Precision) -> f64 {
    match (precision, level) {
        (Precision::Highest, _) => 1.0,
        (Precision::High, Level::Amx) => 1.1,
        (Precision::High, Level::Avx512 | Level::Avx2) => 0.6,
        (Precision::Medium, Level::Amx) => 1.8,
        (Precision::Medium, Level::Avx512 | Level::Avx2) => 0.5,
        (Precision::High | Precision::Medium, Level::Portable) => 0.03,
    }
}

/// Steps after which the measurement is trusted.
const STEPS_TO_TRUST: u64 = 3;

/// Steps the moving average looks back: long enough to be calm, short enough to notice a busy machine.
const WINDOW: usize = 20;

/// What is left to do.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Work {
    /// Images to train on.
    pub(crate) train: u64,
    /// Images to classify.
    pub(crate) test: u64,
}

/// Seconds for `work` before anything was measured; `macs` multiply-adds per image and forward pass.
pub(crate) fn guess(work: Work, macs: u64, machine: &Machine) -> f64 {
    let method = if machine.exact { EXACT } else { 1.0 };
    let gain = gain(machine.level(), machine.precision);
    let rate = flops_per_thread(machine.level()) * method * gain * machine.threads() as f64;
    let forward = 2.0 * macs as f64 / rate;
    (work.train as f64 * TRAINING_PASSES + work.test as f64) * forward
}

/// Measures the steps and foretells the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// Images and seconds of the last steps.
    steps: VecDeque<(u64, f64)>,
    count: u64,
    /// Seconds per classified image, once a test pass is done.
    test: Option<f64>,
}

impl Pace {
    /// A step is done.
    pub(crate) fn step(&mut self, images: u64, seconds: f64) {
        self.count += 1;
        // the first step also pays for planning and for touching memory the first time
        if self.count == STEPS_TO_TRUST {
            self.steps.pop_front();
        }
        self.steps.push_back((images, seconds));
        if self.steps.len() > WINDOW {
            self.steps.pop_front();
        }
    }

    /// A test pass is done.
    pub(crate) fn test(&mut self, images: u64, seconds: f64) {
        self.test = Some(seconds / images.max(1) as f64);
    }

    /// Whether this step was the one from which on the measurement is trusted.
    pub(crate) fn just_trusted(&self) -> bool {
        self.count == STEPS_TO_TRUST
    }

    /// Images per second over the last steps.
    pub(crate) fn images_per_second(&self) -> f64 {
        let (images, seconds) =
            self.steps.iter().fold((0, 0.0), |(n, s), (images, seconds)| (n + images, s + seconds));
        if seconds > 0.0 { images as f64 / seconds } else { 0.0 }
    }

    /// Seconds for `work`; 0 before the first step.
    pub(crate) fn seconds(&self, work: Work) -> f64 {
        let rate = self.images_per_second();
        if rate == 0.0 {
            return 0.0;
        }
        let test = self.test.unwrap_or(1.0 / (rate * TRAINING_PASSES));
        work.train as f64 / rate + work.test as f64 * test
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chapters_run_is_guessed_in_hours_on_two_cores() {
        let work = Work { train: 300_000, test: 50_000 };
        let hours = |isa, exact| {
            let machine = Machine { threads: Some(2), isa: Some(isa), exact, ..Machine::default() };
            guess(work, 318_657_536, &machine) / 3600.0
        };
        // measured with AVX2 on two cores: 98 images/s direct, 155 with Winograd algorithms
        for (exact, measured) in [(true, 300e3 / 98.0 / 3600.0), (false, 300e3 / 155.0 / 3600.0)] {
            let guessed = hours(Level::Avx2, exact);
            assert!((0.5..2.0).contains(&(guessed / measured)), "{guessed} {measured}");
        }
        assert!(hours(Level::Avx2, false) > hours(Level::Avx512, false));
    }

    #[test]
    fn a_slow_first_step_is_forgotten() {
        let mut pace = Pace::default();
        assert_eq!(pace.seconds(Work { train: 1, test: 1 }), 0.0);
        pace.step(10, 100.0);
        pace.step(10, 1.0);
        pace.step(10, 1.0);
        assert!(pace.just_trusted());
        assert_eq!(pace.images_per_second(), 10.0);
        assert_eq!(pace.seconds(Work { train: 100, test: 30 }), 11.0);
        pace.test(30, 6.0);
        assert_eq!(pace.seconds(Work { train: 100, test: 30 }), 16.0);
    }
}
