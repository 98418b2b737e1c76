//! The curves that rates follow.

use std::f64::consts::PI;

/// `OneCycleLR`'s share of steps that go up, how much smaller than the peak the first rate is, and the last than the first.
const UP: f64 = 0.3;
const FIRST: f64 = 25.0;
const LAST: f64 = 1e4;

/// Half a cosine: `from` at 0, `to` at 1.
pub(super) fn annealed(from: f64, to: f64, done: f64) -> f64 {
    to + 0.5 * (from - to) * (1.0 + libm::cos(PI * done))
}

/// timm's `PolyLRScheduler`: `from` at 0, `to` at 1, along a power of what is left.
pub(super) fn poly(from: f64, to: f64, done: f64, power: f64) -> f64 {
    to + (from - to) * libm::pow(1.0 - done, power)
}

/// timm's `TanhLRScheduler`: about `from` at 0, about `to` at 1.
pub(super) fn tanh(from: f64, to: f64, done: f64) -> f64 {
    /// Where on the curve it begins and ends.
    const FIRST: f64 = -7.0;
    const LAST: f64 = 3.0;
    to + 0.5 * (from - to) * (1.0 - libm::tanh(FIRST * (1.0 - done) + LAST * done))
}

/// `base`, multiplied by `rate` so many `times`, one product after the other as PyTorch does.
pub(super) fn decayed(base: f64, rate: f64, times: u64) -> f64 {
    let mut lr = base;
    for _ in 0..times {
        let next = lr * rate;
        // a rate of 1 changes nothing, and 0 stays
        if next == lr {
            break;
        }
        lr = next;
    }
    lr
}

/// PyTorch's `OneCycleLR(max_lr = peak, total_steps = steps)` with its default of two cosines: from peak / 25 up to the peak
/// in 30 % of the steps, then down to peak / 250,000.
pub(super) fn one_cycle(peak: f64, step: u64, steps: u64) -> f64 {
    let first = peak / FIRST;
    let last = first / LAST;
    let (top, end) = (UP * steps as f64 - 1.0, steps as f64 - 1.0);
    let t = (step as f64).min(end);
    if t <= top {
        return annealed(first, peak, if top > 0.0 { t / top } else { 1.0 });
    }
    annealed(peak, last, (t - top) / (end - top))
}
