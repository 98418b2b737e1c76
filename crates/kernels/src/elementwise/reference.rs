//! Reference loops in `f64`, shared by the reference entries of every operation that reads a source or fills a sink.

use crate::args::{FusedActivation, Gate, MapSource, MapTerm, Sink};
use crate::maps::MapRowsMut;

/// Value `index` (channel `lane`) of a source, in `f64`.
pub(crate) fn evaluate(src: &MapSource<'_>, index: usize, lane: usize) -> f64 {
    let mut value = term(&src.main, index, lane);
    if let Some(add) = &src.add {
        value += term(add, index, lane);
    }
    if src.activation == FusedActivation::Relu && value < 0.0 { 0.0 } else { value }
}

/// Value `index` (channel `lane`) of a term, in `f64`.
pub(crate) fn term(term: &MapTerm<'_>, index: usize, lane: usize) -> f64 {
    let value = f64::from(term.data.get(index));
    match &term.affine {
        Some(affine) => value * f64::from(affine.scale[lane]) + f64::from(affine.shift[lane]),
        None => value,
    }
}

/// Whether a gate lets value `index` (channel `lane`) pass; computed in `f64`, as [`evaluate`] is.
pub(crate) fn open(gate: &Gate<'_>, index: usize, lane: usize) -> bool {
    match gate {
        Gate::Open => true,
        Gate::Stored(z) => z.get(index) > 0.0,
        Gate::Affine { y, affine } => {
            f64::from(y.get(index)) * f64::from(affine.scale[lane]) + f64::from(affine.shift[lane]) > 0.0
        }
    }
}

/// Fills a sink value by value, in any order.
pub(crate) struct SinkWriter<'s, 'a> {
    sink: &'s mut Sink<'a>,
    pixels: usize,
    pitch: usize,
}

impl<'s, 'a> SinkWriter<'s, 'a> {
    /// A sink over maps of `pixels` pixels; its sums start at 0.
    pub(crate) fn new(sink: &'s mut Sink<'a>, pixels: usize) -> Self {
        let pitch = sink.dst.width();
        if let Some((_, sums)) = &mut sink.sums {
            for row in 0..sums.out.rows() {
                sums.out.row(row).fill(0.0);
            }
        }
        Self { sink, pixels, pitch }
    }

    /// The contribution `g` to channel `lane` of pixel `pixel` of image `image`.
    pub(crate) fn put(&mut self, [image, pixel, lane]: [usize; 3], g: f64) {
        let row = image * self.pixels + pixel;
        let index = row * self.pitch + lane;
        let held = if self.sink.accumulate { f64::from(self.sink.dst.get(row, lane)) } else { 0.0 };
        let mut value = if open(&self.sink.gate, index, lane) { g + held } else { 0.0 };
        let stored = self.sink.dst.set(row, lane, value as f32);
        // sums of bf16 values are those of what is there; `f32` ones are summed before they are rounded
        if let MapRowsMut::Bf16(_) = self.sink.dst {
            value = f64::from(stored);
        }
        if let Some((y, sums)) = &mut self.sink.sums {
            sums.out.row(image * 2)[lane] += value;
            sums.out.row(image * 2 + 1)[lane] +=
                value * (f64::from(y.get(index)) - f64::from(sums.shift[lane]));
        }
    }
}
