//! What the kernel tests share: seeded data, the edge shapes, and one check that runs every entry of a table against
//! the reference, split into pieces, and level against level.

// each test file is a crate of its own and uses part of this
#![allow(dead_code)]

pub(crate) mod sinks;
pub(crate) mod types;

use std::ops::Range;

use plusx_kernels::shape::ConvShape;
use plusx_kernels::{KernelEntry, pitch};

/// Half a unit in the last place of 1: the rounding error of one `f32` operation, relative.
pub(crate) const U: f64 = 1.0 / (1 << 24) as f64;

/// Channel counts around the vector width.
pub(crate) const CHANNELS: [usize; 6] = [1, 3, 6, 16, 17, 64];
/// Rows and columns; 9x9 crosses the border of a 64-pixel run.
pub(crate) const MAPS: [[usize; 2]; 5] = [[1, 1], [2, 3], [4, 4], [7, 5], [9, 9]];
/// Images in a batch.
pub(crate) const BATCHES: [usize; 3] = [1, 2, 5];

/// A convolution of square maps: channels, filters, size, kernel, stride, padding.
pub(crate) fn conv_shape([c, k, size, kernel, stride, padding]: [usize; 6]) -> ConvShape {
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
        c_pitch: pitch(c),
    }
}

/// SplitMix64 (Steele, Lea & Flood 2014).
pub(crate) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-2, 2).
    pub(crate) fn real(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 22) as f32 - 2.0
    }

    /// A multiple of 1/16 in [-2, 2): products and short sums of these are exact, and many tie.
    pub(crate) fn grid(&mut self) -> f32 {
        (self.next() % 64) as f32 / 16.0 - 2.0
    }

    /// One of the two.
    pub(crate) fn value(&mut self, exact: bool) -> f32 {
        if exact { self.grid() } else { self.real() }
    }

    /// `rows` pixels of `c` channels at pitch(c), zero tails.
    pub(crate) fn map(&mut self, rows: usize, c: usize, exact: bool) -> Vec<f32> {
        let mut data = vec![0.0; rows * pitch(c)];
        for row in data.chunks_mut(pitch(c)) {
            for value in &mut row[..c] {
                *value = self.value(exact);
            }
        }
        data
    }
}

/// What a kernel wrote; image after image, so that pieces can be joined.
#[derive(Clone, Default, Debug)]
pub(crate) struct KernelOutput {
    pub(crate) map: Vec<f32>,
    pub(crate) sums: Vec<f64>,
    pub(crate) bytes: Vec<u8>,
}

impl KernelOutput {
    fn join(&mut self, other: KernelOutput) {
        self.map.extend(other.map);
        self.sums.extend(other.sums);
        self.bytes.extend(other.bytes);
    }

    fn bits(&self) -> (Vec<u32>, Vec<u64>, &[u8]) {
        let map = self.map.iter().map(|value| value.to_bits()).collect();
        (map, self.sums.iter().map(|value| value.to_bits()).collect(), &self.bytes)
    }
}

/// How far an entry may be from the reference, value by value.
#[derive(Clone, Default, Debug)]
pub(crate) struct Bounds {
    pub(crate) map: Vec<f64>,
    pub(crate) sums: Vec<f64>,
}

/// Runs every supported entry over images `0..images` whole and in pieces. Without `bounds` every value must equal the
/// reference's.
pub(crate) fn check<Shape, Run>(
    table: &[KernelEntry<Shape, Run>],
    shape: &Shape,
    images: usize,
    bounds: Option<&Bounds>,
    run: impl Fn(&Run, Range<usize>) -> KernelOutput,
) {
    let reference = run(&table[table.len() - 1].run, 0..images);
    let mut profiles: Vec<(&str, &str, KernelOutput)> = Vec::new();
    for entry in table.iter().filter(|entry| entry.level.supported() && (entry.fits)(shape)) {
        let whole = run(&entry.run, 0..images);
        compare(entry.name, &whole, &reference, bounds);
        for cut in 1..images {
            let mut pieces = run(&entry.run, 0..cut);
            pieces.join(run(&entry.run, cut..images));
            assert!(pieces.bits() == whole.bits(), "{}: images cut at {cut} give other bytes", entry.name);
        }
        if entry.name.ends_with("/reference") {
            continue;
        }
        let profile = entry.level.profile();
        match profiles.iter().find(|(name, ..)| *name == profile) {
            Some((_, other, bytes)) => {
                assert!(bytes.bits() == whole.bits(), "{} and {other} give other bytes", entry.name);
            }
            None => profiles.push((profile, entry.name, whole)),
        }
    }
    assert!(table[table.len() - 1].name.ends_with("/reference"), "a table ends in its reference");
}

fn compare(name: &str, got: &KernelOutput, want: &KernelOutput, bounds: Option<&Bounds>) {
    assert_eq!(got.map.len(), want.map.len(), "{name}");
    assert_eq!(got.sums.len(), want.sums.len(), "{name}");
    assert_eq!(got.bytes, want.bytes, "{name}: bytes");
    for (index, (got, want)) in got.map.iter().zip(&want.map).enumerate() {
        let bound = bounds.map_or(0.0, |bounds| bounds.map[index]);
        let close = got == want || (f64::from(*got) - f64::from(*want)).abs() <= bound;
        assert!(close, "{name}: map[{index}] is {got} instead of {want}, allowed {bound:e}");
    }
    for (index, (got, want)) in got.sums.iter().zip(&want.sums).enumerate() {
        let bound = bounds.map_or(0.0, |bounds| bounds.sums[index]);
        assert!(
            got == want || (got - want).abs() <= bound,
            "{name}: sums[{index}] is {got} instead of {want}, allowed {bound:e}"
        );
    }
}

/// Derivative of `f` with respect to each value of `x` by central differences of step `h`.
pub(crate) fn differences(x: &[f64], h: f64, f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut x = x.to_vec();
    let mut derivatives = Vec::with_capacity(x.len());
    for index in 0..x.len() {
        let middle = x[index];
        x[index] = middle + h;
        let above = f(&x);
        x[index] = middle - h;
        let below = f(&x);
        x[index] = middle;
        derivatives.push((above - below) / (2.0 * h));
    }
    derivatives
}

/// Every combination of the edge shapes: channels, map, images.
pub(crate) fn edges() -> impl Iterator<Item = (usize, [usize; 2], usize)> {
    CHANNELS.into_iter().flat_map(|c| {
        MAPS.into_iter().flat_map(move |map| BATCHES.into_iter().map(move |images| (c, map, images)))
    })
}
