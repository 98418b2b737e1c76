//! Maps of either type, and a check of every mix of them.

use plusx_kernels::args::{Affine, FusedActivation, Gate, MapSource, MapTerm, Sink};
use plusx_kernels::bf16::Bf16;
use plusx_kernels::maps::{MapRef, MapRowsMut};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::{KernelEntry, pitch};

use crate::support::Random;

/// Images in every map.
pub(crate) const IMAGES: usize = 3;

/// A map of values that bf16 has, in both types.
pub(crate) struct Both {
    pub(crate) full: Vec<f32>,
    pub(crate) half: Vec<Bf16>,
}

impl Both {
    pub(crate) fn new(random: &mut Random, pixels: usize, c: usize) -> Self {
        let half: Vec<Bf16> = random.map(IMAGES * pixels, c, false).into_iter().map(Bf16::from_f32).collect();
        Self { full: half.iter().map(|value| value.to_f32()).collect(), half }
    }

    pub(crate) fn get(&self, half: bool) -> MapRef<'_> {
        if half { self.half[..].into() } else { self.full[..].into() }
    }

    /// What `kernel` leaves behind of this map, as `f32`.
    pub(crate) fn stored(&self, half: bool, pitch: usize, kernel: impl FnOnce(MapRowsMut<'_>)) -> Vec<f32> {
        if half {
            let mut map = self.half.clone();
            kernel(RowsMut::new(&mut map, pitch, 0, pitch).into());
            map.iter().map(|value| value.to_f32()).collect()
        } else {
            let mut map = self.full.clone();
            kernel(RowsMut::new(&mut map, pitch, 0, pitch).into());
            map
        }
    }
}

/// Which maps are bf16: those that are read, by number, and the one that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Types {
    pub(crate) read: usize,
    pub(crate) written: bool,
}

impl Types {
    pub(crate) fn half(self, map: usize) -> bool {
        self.read >> map & 1 == 1
    }
}

/// Every entry with every mix of types of `maps` maps that are read and one that is written.
pub(crate) fn check<Shape: std::fmt::Debug, Run>(
    table: &[KernelEntry<Shape, Run>],
    shape: &Shape,
    maps: usize,
    run: impl Fn(&Run, Types) -> Vec<f32>,
) {
    for entry in table.iter().filter(|entry| entry.level.supported() && (entry.fits)(shape)) {
        let want = run(&entry.run, Types { read: 0, written: false });
        for read in 0..1 << maps {
            for written in [false, true] {
                let types = Types { read, written };
                let got = run(&entry.run, types);
                assert_eq!(got.len(), want.len());
                for (index, (got, want)) in got.iter().zip(&want).enumerate() {
                    let want = if written { Bf16::from_f32(*want).to_f32() } else { *want };
                    let same = got.to_bits() == want.to_bits();
                    assert!(same, "{} {shape:?} {types:?}: {got} at {index} is not {want}", entry.name);
                }
            }
        }
    }
}

/// Everything that a sink over a map of `c` channels reads and writes.
pub(crate) struct SinkMaps {
    pitch: usize,
    pub(crate) held: Both,
    pub(crate) y: Both,
    vectors: [Vec<f32>; 2],
}

impl SinkMaps {
    pub(crate) fn new(random: &mut Random, pixels: usize, c: usize) -> Self {
        Self {
            pitch: pitch(c),
            held: Both::new(random, pixels, c),
            y: Both::new(random, pixels, c),
            vectors: [random.map(1, c, false), random.map(1, c, false)],
        }
    }

    /// The gate's map is number `y` of those that are read.
    pub(crate) fn fill(&self, types: Types, y: usize, kernel: impl FnOnce(Sink<'_>)) -> Vec<f32> {
        let affine = Affine { scale: &self.vectors[0], shift: &self.vectors[1] };
        let gate = Gate::Affine { y: self.y.get(types.half(y)), affine };
        self.held
            .stored(types.written, self.pitch, |dst| kernel(Sink { dst, accumulate: true, gate, sums: None }))
    }
}

pub(crate) fn source<'a>(main: MapRef<'a>, add: MapRef<'a>, vectors: &'a [Vec<f32>; 2]) -> MapSource<'a> {
    let affine = Some(Affine { scale: &vectors[0], shift: &vectors[1] });
    let add = Some(MapTerm { data: add, affine: None });
    MapSource { main: MapTerm { data: main, affine }, add, activation: FusedActivation::Relu }
}
