//! What a convolution does to its outputs on their way out is what a reader of the plain outputs would do, to the last bit;
//! and a piece of some rows is those rows of the whole.

use plusx_kernels::args::{Affine, Finish, Source, Term};
use plusx_kernels::conv::winograd::{self, TransformArgs};
use plusx_kernels::conv::{self, Forward, ForwardArgs};
use plusx_kernels::elementwise::{EVALUATE, EvaluateArgs};
use plusx_kernels::shape::{ConvShape, MapShape};
use plusx_kernels::view::RowsMut;
use plusx_kernels::{Entry, LANES, Level, pitch, select};

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

fn shape(&[c, k, size, kernel, stride, padding]: &[usize; 6]) -> ConvShape {
    let out = (size + 2 * padding - kernel) / stride + 1;
    ConvShape {
        c,
        k,
        h: size,
        w: size,
        oh: out,
        ow: out,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [1; 2],
        groups: 1,
        c_pitch: if c == 1 { 1 } else { pitch(c) },
    }
}

/// Numbers between -1 and 1, the same for the same seed.
fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..len).map(next).collect()
}

/// As [`values`], pixels of `channels` padded with zeros.
fn padded(pixels: usize, channels: usize, seed: u32) -> Vec<f32> {
    let mut map = values(pixels * pitch(channels), seed);
    map.chunks_exact_mut(pitch(channels)).for_each(|pixel| pixel[channels..].fill(0.0));
    map
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
        let filters = values(shape.k * shape.c * shape.kernel[0] * shape.kernel[1], 2);
        let mut weights = vec![0.0; conv::packed_len(&shape)];
        conv::pack(&shape, &filters, &mut weights);
        let x = if shape.c_pitch == 1 {
            values(IMAGES * shape.h * shape.w, 1)
        } else {
            padded(IMAGES * shape.h * shape.w, shape.c, 1)
        };
        Self {
            shape,
            x,
            weights,
            other: padded(pixels, shape.k, 3),
            vectors: [4, 5, 6, 7, 8].map(|seed| padded(1, shape.k, seed)),
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
        let other = |affine| Some(Term { data: &self.other, affine });
        match form {
            0 => Finish { affine: Some(self.affine(0)), add: None, relu: true },
            1 => Finish { affine: Some(self.affine(0)), add: other(None), relu: true },
            2 => Finish { affine: None, add: other(Some(self.affine(2))), relu: false },
            _ => Finish { affine: Some(self.affine(0)), add: other(Some(self.affine(2))), relu: true },
        }
    }

    /// Every image, in bands of `band` rows if there are several.
    fn run(&self, run: Forward, finish: Finish<'_>, band: usize) -> Vec<f32> {
        let (shape, k) = (&self.shape, self.shape.k_pitch());
        let [source, map] = [shape.h * shape.w * shape.c_pitch, shape.oh * shape.ow * k];
        let mut dst = vec![f32::NAN; IMAGES * map];
        let step = if band < shape.oh { 1 } else { IMAGES };
        for first in (0..IMAGES).step_by(step) {
            for start in (0..shape.oh).step_by(band) {
                let rows = start..shape.oh.min(start + band);
                let at = first * map + start * shape.ow * k;
                let len = if step == 1 { rows.len() * shape.ow * k } else { dst.len() };
                let data = &self.other[first * map..][..step * map];
                let add = finish.add.map(|term| Term { data, ..term });
                run(ForwardArgs {
                    shape,
                    images: step,
                    src: plain(&self.x[first * source..(first + step) * source]),
                    keep: None,
                    weights: &self.weights,
                    bias: Some(&self.vectors[4]),
                    finish: Finish { add, ..finish },
                    rows,
                    blocks: 0..k / LANES,
                    dst: RowsMut::new(&mut dst[at..at + len], k, 0, k),
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
        let main = Term { data: plain, affine: finish.affine };
        let src = Source { main, add: finish.add, relu: finish.relu };
        let mut map = vec![f32::NAN; plain.len()];
        let dst = RowsMut::new(&mut map, shape.pitch, 0, shape.pitch);
        (select(EVALUATE, level, &shape).run)(EvaluateArgs { shape: &shape, images: IMAGES, src, dst });
        map
    }

    fn check(&self, entry: &Entry<ConvShape, Forward>) {
        let whole = self.shape.oh;
        let plain = self.run(entry.run, Finish::default(), whole);
        for form in 0..4 {
            let finish = self.finish(form);
            let result = self.run(entry.run, finish, whole);
            let wanted = self.read(entry.level, &plain, finish);
            // the reference rounds once, a reader after every operation
            let slack = if entry.name.ends_with("/reference") { 1e-5 } else { 0.0 };
            let bad = result.iter().zip(&wanted).position(|(a, b)| (a - b).abs() > slack || a.is_nan());
            assert!(bad.is_none(), "{} {:?}, form {form}: value {bad:?}", entry.name, self.shape);
            for band in [self.rows, 2 * self.rows] {
                let parts = self.run(entry.run, finish, band.min(whole));
                assert!(parts == result, "{} {:?}, form {form}: bands of {band}", entry.name, self.shape);
            }
        }
    }
}

fn plain(data: &[f32]) -> Source<'_> {
    Source { main: Term { data, affine: None }, add: None, relu: false }
}

#[test]
fn outputs_are_finished_as_a_reader_would() {
    let mut seen = [0; 2];
    for shape in SHAPES.iter().map(shape) {
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
