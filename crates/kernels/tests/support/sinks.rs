//! A source or a sink with everything it can have, cut to any piece of the batch.

use std::ops::Range;

use plusx_kernels::args::{Affine, FusedActivation, Gate, MapSource, MapTerm, SUM_RUN, Sink, Sums};
use plusx_kernels::pitch;
use plusx_kernels::rows::RowsMut;

use crate::support::{Bounds, KernelOutput, Random, U};

/// Per-channel scale and shift with zero tails.
pub(crate) struct Channels {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

impl Channels {
    pub(crate) fn new(random: &mut Random, c: usize, exact: bool) -> Self {
        Self { scale: random.map(1, c, exact), shift: random.map(1, c, exact) }
    }

    pub(crate) fn affine(&self) -> Affine<'_> {
        Affine { scale: &self.scale, shift: &self.shift }
    }
}

/// A source of every form.
pub(crate) struct SourceData {
    pitch: usize,
    pixels: usize,
    main: Vec<f32>,
    add: Vec<f32>,
    channels: [Channels; 2],
}

/// Which parts of a source there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceForm {
    pub(crate) affine: bool,
    pub(crate) add: bool,
    pub add_affine: bool,
    pub(crate) activation: FusedActivation,
}

impl SourceForm {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..16).map(|bits| Self {
            affine: bits & 1 != 0,
            add: bits & 2 != 0,
            add_affine: bits & 4 != 0,
            activation: if bits & 8 != 0 { FusedActivation::Relu } else { FusedActivation::None },
        })
    }
}

impl SourceData {
    pub(crate) fn new(random: &mut Random, [c, pixels, images]: [usize; 3], exact: bool) -> Self {
        Self {
            pitch: pitch(c),
            pixels,
            main: random.map(images * pixels, c, exact),
            add: random.map(images * pixels, c, exact),
            channels: [Channels::new(random, c, exact), Channels::new(random, c, exact)],
        }
    }

    pub(crate) fn piece(&self, form: SourceForm, images: Range<usize>) -> MapSource<'_> {
        let size = self.pixels * self.pitch;
        let range = images.start * size..images.end * size;
        let affine = |on: bool, which: usize| on.then(|| self.channels[which].affine());
        MapSource {
            main: MapTerm { data: (&self.main[range.clone()]).into(), affine: affine(form.affine, 0) },
            add: form
                .add
                .then(|| MapTerm { data: (&self.add[range]).into(), affine: affine(form.add_affine, 1) }),
            activation: form.activation,
        }
    }

    /// Four roundings of the largest part cover every form.
    pub(crate) fn bounds(&self, form: SourceForm) -> Vec<f64> {
        let part = |data: f32, on: bool, channels: &Channels, lane: usize| {
            let data = f64::from(data.abs());
            if on {
                data * f64::from(channels.scale[lane].abs()) + f64::from(channels.shift[lane].abs())
            } else {
                data
            }
        };
        let bound = |index: usize| {
            let lane = index % self.pitch;
            let mut size = part(self.main[index], form.affine, &self.channels[0], lane);
            if form.add {
                size += part(self.add[index], form.add_affine, &self.channels[1], lane);
            }
            4.0 * U * size
        };
        (0..self.main.len()).map(bound).collect()
    }
}

/// Which gate a sink has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum GateForm {
    Open,
    Stored,
    Affine,
}

/// Which parts of a sink there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SinkForm {
    pub(crate) gate: GateForm,
    pub(crate) accumulate: bool,
    pub(crate) sums: bool,
}

impl SinkForm {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [GateForm::Open, GateForm::Stored, GateForm::Affine].into_iter().flat_map(|gate| {
            (0..4).map(move |bits| Self { gate, accumulate: bits & 1 != 0, sums: bits & 2 != 0 })
        })
    }
}

/// A sink of every form.
pub(crate) struct SinkData {
    c: usize,
    pixels: usize,
    pub(crate) held: Vec<f32>,
    pub(crate) y: Vec<f32>,
    pub(crate) channels: Channels,
    pub(crate) shift: Vec<f32>,
}

impl SinkData {
    pub(crate) fn new(random: &mut Random, [c, pixels, images]: [usize; 3], exact: bool) -> Self {
        Self {
            c,
            pixels,
            held: random.map(images * pixels, c, exact),
            y: random.map(images * pixels, c, exact),
            channels: Channels::new(random, c, exact),
            shift: random.map(1, c, exact),
        }
    }

    /// Runs `kernel` with the sink of images `images`.
    pub(crate) fn fill(
        &self,
        form: SinkForm,
        images: Range<usize>,
        kernel: impl FnOnce(Sink<'_>),
    ) -> KernelOutput {
        let pitch = pitch(self.c);
        let size = self.pixels * pitch;
        let y = &self.y[images.start * size..images.end * size];
        let mut map = self.held[images.start * size..images.end * size].to_vec();
        let mut sums = vec![f64::NAN; if form.sums { images.len() * 2 * pitch } else { 0 }];
        let out = RowsMut::new(&mut sums, pitch, 0, pitch);
        kernel(Sink {
            dst: RowsMut::new(&mut map, pitch, 0, pitch).into(),
            accumulate: form.accumulate,
            gate: match form.gate {
                GateForm::Open => Gate::Open,
                GateForm::Stored => Gate::Stored(y.into()),
                GateForm::Affine => Gate::Affine { y: y.into(), affine: self.channels.affine() },
            },
            sums: form.sums.then(|| (y.into(), Sums { shift: &self.shift, out })),
        });
        KernelOutput { map, sums, bytes: Vec::new() }
    }

    /// Errors of a contribution whose own error and size are given value by value: one more addition, then chains of at
    /// most [`SUM_RUN`] additions of the absolute values.
    pub(crate) fn bounds(&self, images: usize, sizes: &[f64], errors: &[f64]) -> Bounds {
        let pitch = pitch(self.c);
        let mut bounds = Bounds { map: Vec::new(), sums: vec![0.0; images * 2 * pitch] };
        for (index, (size, error)) in sizes.iter().zip(errors).enumerate() {
            let size = size + f64::from(self.held[index].abs());
            let error = error + 2.0 * U * size;
            let (image, lane) = (index / (self.pixels * pitch), index % pitch);
            let distance = f64::from(self.y[index].abs()) + f64::from(self.shift[lane].abs());
            let chain = (SUM_RUN + 3) as f64 * U * size + error;
            bounds.map.push(error);
            bounds.sums[image * 2 * pitch + lane] += chain;
            bounds.sums[(image * 2 + 1) * pitch + lane] += chain * distance;
        }
        bounds
    }
}
