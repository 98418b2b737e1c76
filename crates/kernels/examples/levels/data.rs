//! Deterministic values, sources and sinks made of them, and the hash of what came out.

use std::fmt;
use std::ops::Range;

use plusx_kernels::args::{Affine, FusedActivation, Gate, MapSource, MapTerm, Sink, Sums};
use plusx_kernels::pitch;
use plusx_kernels::rows::RowsMut;

/// 64-bit FNV-1a (Fowler, Noll & Vo) over little-endian bytes. Every NaN counts as the same one: which operand's
/// payload survives is the instruction's choice, not arithmetic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        self
    }

    pub(crate) fn singles(self, values: &[f32]) -> Self {
        values.iter().fold(self, |hash, value| {
            let value = if value.is_nan() { f32::NAN } else { *value };
            hash.bytes(&value.to_bits().to_le_bytes())
        })
    }

    pub(crate) fn doubles(self, values: &[f64]) -> Self {
        values.iter().fold(self, |hash, value| {
            let value = if value.is_nan() { f64::NAN } else { *value };
            hash.bytes(&value.to_bits().to_le_bytes())
        })
    }
}

impl fmt::Display for Fnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// SplitMix64 (Steele, Lea & Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-2, 2), one value in sixteen 0 (as behind a ReLU).
    pub(crate) fn real(&mut self) -> f32 {
        let bits = self.next();
        if bits.is_multiple_of(16) { 0.0 } else { (bits >> 40) as f32 / (1 << 22) as f32 - 2.0 }
    }

    pub(crate) fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.real()).collect()
    }

    /// `rows` pixels of `c` channels at `pitch`, zero tails.
    pub(crate) fn map(&mut self, rows: usize, c: usize, pitch: usize) -> Vec<f32> {
        (0..rows * pitch).map(|i| if i % pitch < c { self.real() } else { 0.0 }).collect()
    }
}

/// What a sink writes to.
pub(crate) struct SinkMemory<'a> {
    pub(crate) dst: &'a mut [f32],
    pub(crate) sums: &'a mut [f64],
}

/// Two maps of `images` times `pixels` pixels with two sets of per-channel numbers: enough for any source or sink.
pub(crate) struct RandomMaps {
    pub(crate) pixels: usize,
    pub(crate) pitch: usize,
    pub(crate) x: Vec<f32>,
    pub(crate) u: Vec<f32>,
    affine: [Vec<f32>; 4],
}

impl RandomMaps {
    pub(crate) fn new(random: &mut Random, [c, pixels, images]: [usize; 3]) -> Self {
        Self::at_pitch(random, [c, pixels, images], pitch(c))
    }

    pub(crate) fn at_pitch(random: &mut Random, [c, pixels, images]: [usize; 3], pitch: usize) -> Self {
        Self {
            pixels,
            pitch,
            x: random.map(images * pixels, c, pitch),
            u: random.map(images * pixels, c, pitch),
            affine: std::array::from_fn(|_| random.map(1, c, pitch)),
        }
    }

    /// Puts NaN, infinities, zeros of both signs and denormals into the maps.
    pub(crate) fn with_specials(mut self, c: usize) -> Self {
        let specials = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-40, -1e-40, f32::MAX];
        for (index, value) in self.x.iter_mut().enumerate().filter(|(index, _)| index % self.pitch < c) {
            *value = if index % 3 == 0 { specials[index / 3 % 8] } else { *value };
        }
        for (index, value) in self.u.iter_mut().enumerate().filter(|(index, _)| index % self.pitch < c) {
            *value = if index % 5 == 0 { specials[index / 5 % 8] } else { *value };
        }
        self
    }

    /// The values of `images` in a map of this size.
    pub(crate) fn part(&self, images: &Range<usize>) -> Range<usize> {
        images.start * self.pixels * self.pitch..images.end * self.pixels * self.pitch
    }

    fn affine(&self, which: usize) -> Affine<'_> {
        Affine { scale: &self.affine[2 * which], shift: &self.affine[2 * which + 1] }
    }

    /// Bits of `form`: affine, join, affine of the join, ReLU.
    pub(crate) fn source(&self, form: usize, images: &Range<usize>) -> MapSource<'_> {
        let part = self.part(images);
        let affine = |bit: usize, which| (form & bit != 0).then(|| self.affine(which));
        MapSource {
            main: MapTerm { data: (&self.x[part.clone()]).into(), affine: affine(1, 0) },
            add: (form & 2 != 0).then(|| MapTerm { data: (&self.u[part]).into(), affine: affine(4, 1) }),
            activation: if form & 8 != 0 { FusedActivation::Relu } else { FusedActivation::None },
        }
    }

    /// A sink for the columns `columns` of memory that holds the images `images`. Bits of `form`: accumulate, sums, stored
    /// gate, affine gate.
    pub(crate) fn sink<'a>(
        &'a self,
        form: usize,
        images: &Range<usize>,
        columns: Range<usize>,
        own: SinkMemory<'a>,
    ) -> Sink<'a> {
        let SinkMemory { dst, sums } = own;
        let (part, pitch) = (self.part(images), self.pitch);
        let (y, width) = (&self.x[part.clone()], columns.len());
        Sink {
            dst: RowsMut::new(dst, pitch, columns.start, width).into(),
            accumulate: form & 1 != 0,
            gate: match form & 12 {
                4 => Gate::Stored((&self.u[part]).into()),
                8 => Gate::Affine { y: y.into(), affine: self.affine(0) },
                _ => Gate::Open,
            },
            sums: (form & 2 != 0).then(|| {
                let out = RowsMut::new(sums, pitch, columns.start, width);
                (y.into(), Sums { shift: &self.affine[3], out })
            }),
        }
    }
}

/// How a case is run.
#[derive(Clone, Copy)]
pub(crate) struct Variant {
    /// What there is around a kernel, in bits: see [`RandomMaps::source`] and [`RandomMaps::sink`].
    pub(crate) form: usize,
    /// Whether the batch is cut.
    pub(crate) in_pieces: bool,
}

/// The batch cut into pieces: whole, or the first image and the rest.
pub(crate) fn cut(images: usize, in_pieces: bool) -> Vec<Range<usize>> {
    if in_pieces && images > 1 { vec![0..1, 1..images] } else { vec![0..images; 1] }
}
