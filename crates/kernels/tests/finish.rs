//! What a convolution does to its outputs on their way out is what a reader of the plain outputs would do, to the last bit;
//! and a piece of some rows is those rows of the whole.

mod support;

use plusx_kernels::args::{Affine, Finish, FusedActivation, MapSource, MapTerm};
use plusx_kernels::conv::winograd::{self, TransformArgs};
use plusx_kernels::conv::{self, ConvForward, ConvForwardArgs};
use plusx_kernels::elementwise::{EVALUATE, EvaluateArgs};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::{ConvShape, MapShape};
use plusx_kernels::{KernelEntry, LANES, Level, pitch, select};
use support::{Random, U, conv_shape};

const IMAGES: usize = 2;

/// (channels, filters, size, kernel, stride, padding): a thin stem, strided, sampled and plain ones, all three sizes of
/// tiles, a filter count that is not a whole vector.
const SHAPES: &[[usize; 6]] = &[
    [1, 16, 20, 7, 2, 3],
    [16, 40, 13, 3, 2, 1],
    [32, 24, 12, 1, 2, 0],
    [32, 32, 9, 1, 3, 0],
    [16, 20, 6, 3, 1, 1],
    [16, 32, 24, 3, 1, 1],
    [48, 16, 11, 3, 1, 1],
];

/// The same with groups before: several in a vector, and of whole vectors.
const GROUPED: &[(usize, [usize; 6])] =
    &[(6, [24, 24, 13, 3, 1, 1]), (8, [64, 64, 11, 3, 2, 1]), (2, [32, 64, 9, 3, 1, 1])];

/// The network's input is not padded to whole vectors.
fn shape(sizes: &[usize; 6]) -> ConvShape {
    let shape = conv_shape(*sizes);
    ConvShape { c_pitch: if shape.c == 1 { 1 } else { shape.c_pitch }, ..shape }
}

/// A convolution with everything it reads.
struct Case {
    shape: ConvShape,
    x: Vec<f32>,
    weights: Vec<f32>,
    other: Vec<f32>,
    vectors: [Vec<f32>; 5],
    scratch: usize,
    /// Rows of a piece are a multiple of this.
    rows: usize,
}

impl Case {
    fn new(shape: ConvShape) -> Self {
        let pixels = IMAGES * shape.oh * shape.ow;
        let mut random = Random(71);
        let mut reals = |len: usize| -> Vec<f32> { (0..len).map(|_| random.real()).collect() };
        let filters = reals(shape.k * shape.c / shape.groups * shape.kernel[0] * shape.kernel[1]);
        let mut x = reals(IMAGES * shape.h * shape.w);
        if shape.c_pitch == pitch(shape.c) {
            x = random.map(IMAGES * shape.h * shape.w, shape.c, false);
        }
        let mut weights = vec![0.0; conv::packed_len(&shape)];
        conv::pack(&shape, &filters, &mut weights);
        Self {
            shape,
            x,
            weights,
            other: random.map(pixels, shape.k, false),
            vectors: std::array::from_fn(|_| random.map(1, shape.k, false)),
            scratch: conv::forward_scratch_len(&shape, IMAGES).max(conv::forward_scratch_len(&shape, 1)),
            rows: 1,
        }
    }

    /// The same by a Winograd algorithm.
    fn winograd(mut self) -> Self {
        let (shape, blocks) = (&self.shape, 0..self.shape.k.div_ceil(LANES));
        let mut dst = vec![0.0; winograd::filters_len(shape)];
        let scratch = &mut vec![0.0; conv::backward_block_len(shape)];
        let run = select(winograd::TRANSFORM, Level::Portable, shape).run;
        run(TransformArgs { shape, packed: &self.weights, blocks: blocks.clone(), dst: &mut dst, scratch });
        self.scratch = winograd::forward_scratch_len(shape, blocks.len());
        self.rows = winograd::rows(shape);
        self.weights = dst;
        self
    }

    fn affine(&self, at: usize) -> Affine<'_> {
        Affine { scale: &self.vectors[at], shift: &self.vectors[at + 1] }
    }

    /// All that can happen, or less.
    fn finish(&self, form: usize) -> Finish<'_> {
        let other = |affine| Some(MapTerm { data: (&self.other).into(), affine });
        match form {
            0 => Finish { affine: Some(self.affine(0)), add: None, activation: FusedActivation::Relu },
            1 => Finish { affine: Some(self.affine(0)), add: other(None), activation: FusedActivation::Relu },
            2 => Finish { affine: None, add: other(Some(self.affine(2))), activation: FusedActivation::None },
            _ => Finish {
                affine: Some(self.affine(0)),
                add: other(Some(self.affine(2))),
                activation: FusedActivation::Relu,
            },
        }
    }

    /// Every image, in bands of `band` rows if there are several.
    fn run(&self, run: ConvForward, finish: Finish<'_>, band: usize) -> Vec<f32> {
        let (shape, k) = (&self.shape, self.shape.k_pitch());
        let [source, map] = [shape.h * shape.w * shape.c_pitch, shape.oh * shape.ow * k];
        let mut dst = vec![f32::NAN; IMAGES * map];
        let step = if band < shape.oh { 1 } else { IMAGES };
        for first in (0..IMAGES).step_by(step) {
            for start in (0..shape.oh).step_by(band) {
                let rows = start..shape.oh.min(start + band);
                let at = first * map + start * shape.ow * k;
                let len = if step == 1 { rows.len() * shape.ow * k } else { dst.len() };
                let data = self.other[first * map..][..step * map].into();
                let add = finish.add.map(|term| MapTerm { data, ..term });
                run(ConvForwardArgs {
                    shape,
                    images: step,
                    src: plain(&self.x[first * source..(first + step) * source]),
                    keep: None,
                    weights: &self.weights,
                    bias: Some(&self.vectors[4]),
                    finish: Finish { add, ..finish },
                    rows,
                    blocks: 0..k / LANES,
                    dst: RowsMut::new(&mut dst[at..at + len], k, 0, k).into(),
                    sums: None,
                    scratch: &mut vec![f32::NAN; self.scratch],
                });
            }
        }
        dst
    }

    /// What a reader of the plain outputs makes of them.
    fn read(&self, level: Level, plain: &[f32], finish: Finish<'_>) -> Vec<f32> {
        let shape =
            MapShape { c: self.shape.k, pitch: self.shape.k_pitch(), pixels: self.shape.oh * self.shape.ow };
        let main = MapTerm { data: plain.into(), affine: finish.affine };
        let src = MapSource { main, add: finish.add, activation: finish.activation };
        let mut map = vec![f32::NAN; plain.len()];
        let dst = RowsMut::new(&mut map, shape.pitch, 0, shape.pitch).into();
        (select(EVALUATE, level, &shape).run)(EvaluateArgs { shape: &shape, images: IMAGES, src, dst });
        map
    }

    /// The sum of the absolute values of what is added up to value `index`.
    fn magnitude(&self, plain: &[f32], finish: Finish<'_>, index: usize) -> f64 {
        let lane = index % self.shape.k_pitch();
        let term = |value: f32, affine: Option<Affine<'_>>| match affine {
            Some(affine) => (value * affine.scale[lane]).abs() + affine.shift[lane].abs(),
            None => value.abs(),
        };
        let other = finish.add.map_or(0.0, |other| term(other.data.get(index), other.affine));
        f64::from(term(plain[index], finish.affine) + other)
    }

    fn check(&self, entry: &KernelEntry<ConvShape, ConvForward>) {
        let whole = self.shape.oh;
        let plain = self.run(entry.run, Finish::default(), whole);
        for form in 0..4 {
            let finish = self.finish(form);
            let result = self.run(entry.run, finish, whole);
            let wanted = self.read(entry.level, &plain, finish);
            // the reference rounds once, a reader after each of at most five operations
            let roundings = if entry.name.ends_with("/reference") { 6.0 } else { 0.0 };
            let bad = (0..result.len()).find(|&index| {
                let off = f64::from((result[index] - wanted[index]).abs());
                off.is_nan() || off > roundings * U * self.magnitude(&plain, finish, index)
            });
            assert!(bad.is_none(), "{} {:?}, form {form}: value {bad:?}", entry.name, self.shape);
            for band in [self.rows, 2 * self.rows] {
                let parts = self.run(entry.run, finish, band.min(whole));
                assert!(parts == result, "{} {:?}, form {form}: bands of {band}", entry.name, self.shape);
            }
        }
    }
}

fn plain(data: &[f32]) -> MapSource<'_> {
    MapSource::plain(data)
}

#[test]
fn outputs_are_finished_as_a_reader_would() {
    let mut seen = [0; 2];
    let grouped = GROUPED.iter().map(|(groups, sizes)| ConvShape { groups: *groups, ..shape(sizes) });
    for shape in SHAPES.iter().map(shape).chain(grouped) {
        let case = Case::new(shape);
        for entry in conv::FORWARD.iter().filter(|entry| entry.level.supported() && (entry.fits)(&shape)) {
            case.check(entry);
            seen[0] += 1;
        }
        if winograd::fits(&shape) {
            let case = case.winograd();
            for entry in winograd::FORWARD.iter().filter(|entry| entry.level.supported()) {
                case.check(entry);
                seen[1] += 1;
            }
        }
    }
    assert!(seen[0] >= 2 * SHAPES.len() && seen[1] >= 6, "kernels seen: {seen:?}");
}
