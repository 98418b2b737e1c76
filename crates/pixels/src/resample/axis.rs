//! The filters, and what a destination pixel sees of one axis: which source pixels, with which weights.

use crate::resize::Cut;
use plusx_kernels::resample::{TapWindow, WEIGHT_BITS, WeightPair};
use std::ops::Range;

/// The shape of a filter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Filter {
    /// A triangle: 1 - |x| up to 1.
    Bilinear,
    /// Keys' cubic with a = -1/2 (R. Keys 1981, "Cubic convolution interpolation for digital image processing").
    Bicubic,
}

impl Filter {
    /// Beyond this it is 0.
    fn support(self) -> f64 {
        match self {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    /// Its value at `x`. The order of operations is Pillow's: it decides about last bits.
    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Filter::Bilinear if x < 1.0 => 1.0 - x,
            Filter::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// One axis: where the destination's rows or columns come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    filter: Filter,
    src: usize,
    scale: f64,
    /// Destinations that are wanted: the first and how many.
    pub(super) first: usize,
    pub(super) count: usize,
    /// The length stays: destination `d` is source `d`.
    pub(super) same: bool,
}

/// What one destination sees of an axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) first: usize,
    pub(super) count: usize,
    centre: f64,
    total: f64,
}

impl Axis {
    /// The rows (0) or the columns (1) of `cut`.
    pub(super) fn of(filter: Filter, cut: &Cut, axis: usize) -> Self {
        let (src, dst) = (cut.from[axis], cut.to[axis]);
        let (first, count) = (cut.corner[axis], cut.size[axis]);
        Self { filter, src, scale: src as f64 / dst as f64, first, count, same: src == dst }
    }

    /// The centre of destination `index` of those wanted.
    fn centre(&self, index: usize) -> f64 {
        ((self.first + index) as f64 + 0.5) * self.scale
    }

    /// The source pixels that destination `index` of those wanted sees.
    fn window(&self, index: usize) -> Range<usize> {
        if self.same {
            return self.first + index..self.first + index + 1;
        }
        let (radius, centre) = (self.filter.support() * self.scale.max(1.0), self.centre(index));
        // conversion drops fractions, and what is below 0 or not there becomes the border
        let first = (centre - radius + 0.5).max(0.0) as usize;
        first..((centre + radius + 0.5) as usize).min(self.src).max(first)
    }

    /// The filter of a destination with this centre over source pixel `s`.
    fn raw(&self, centre: f64, s: usize) -> f64 {
        if self.same {
            return 1.0;
        }
        let inverse = 1.0 / self.scale.max(1.0);
        self.filter.at((s as f64 - centre + 0.5) * inverse)
    }

    /// What destination `index` of those wanted sees.
    pub(super) fn seen(&self, index: usize) -> Seen {
        let (window, centre) = (self.window(index), self.centre(index));
        let total = window.clone().map(|s| self.raw(centre, s)).sum();
        Seen { first: window.start, count: window.len(), centre, total }
    }

    /// The weight of the source pixel `at` of those seen, in units of 2^-22.
    pub(super) fn weight(&self, seen: &Seen, at: usize) -> i32 {
        in_units(self.raw(seen.centre, seen.first + at), seen.total)
    }

    /// No fewer than all destinations see together.
    pub(super) fn taps_at_most(&self) -> f64 {
        (2.0 * self.filter.support() * self.scale.max(1.0) + 2.0) * self.count as f64
    }

    /// Source pixels that are needed: the first and how many.
    pub(super) fn needed(&self) -> [usize; 2] {
        if self.count == 0 {
            return [0, 0];
        }
        // both ends only move forward
        let (head, tail) = (self.window(0), self.window(self.count - 1));
        [head.start, tail.end - head.start]
    }
}

/// A filter's value as a weight, where all values add up to `total`.
fn in_units(raw: f64, total: f64) -> i32 {
    let part = if total == 0.0 { raw } else { raw / total };
    let scaled = part * f64::from(1 << WEIGHT_BITS);
    // to nearest, halves away from 0; then the fraction is dropped
    (if part < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

/// The weights of all destinations of an axis, in memory that is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Taps {
    pub(super) windows: Vec<TapWindow>,
    pub(super) weights: Vec<WeightPair>,
    /// Of one destination.
    raw: Vec<f64>,
}

impl Taps {
    /// Those of `axis`.
    pub(super) fn set(&mut self, axis: &Axis) {
        self.windows.clear();
        self.weights.clear();
        for index in 0..axis.count {
            let (range, centre) = (axis.window(index), axis.centre(index));
            self.raw.clear();
            self.raw.extend(range.clone().map(|s| axis.raw(centre, s)));
            let total = self.raw.iter().sum();
            let at = self.weights.len();
            self.windows.push(TapWindow { first: range.start, count: range.len(), at });
            self.weights.extend(self.raw.chunks(2).map(|pair| {
                let second = pair.get(1).map_or(0, |raw| in_units(*raw, total));
                WeightPair::new([in_units(pair[0], total), second])
            }));
        }
    }

    /// The largest number of source pixels that a destination sees.
    pub(super) fn most(&self) -> usize {
        self.windows.iter().map(|window| window.count).max().unwrap_or(0)
    }
}
