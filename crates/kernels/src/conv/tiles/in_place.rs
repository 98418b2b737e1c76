//! Layers of 1x1 filters that read a stored map where it is.

use super::pieces::Pieces;
use super::places::{ReadAhead, TilePlaces};
use super::sizes::{PLACE_BYTES, Scratch, TileSizes};
use crate::args::MapSource;
use crate::bf16::Bf16;
use crate::conv::finish::Finishing;
use crate::conv::load::Computed;
use crate::maps::MapPtr;
use crate::shape::ConvShape;
use crate::simd::pairs::{DEPTH, TILE};

/// A stored map of bf16 whose pixels are the places of a layer of 1x1 filters: nothing is loaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct InPlace {
    map: *const Bf16,
    /// Bytes of a pixel.
    bytes: usize,
}

impl InPlace {
    pub(super) fn new(shape: &ConvShape, pieces: Pieces, src: &MapSource<'_>) -> Option<Self> {
        let pixels = shape.kernel == [1; 2] && shape.stride == [1; 2] && shape.padding == [0; 2];
        if !pixels || pieces != Pieces::One || !shape.c_pitch.is_multiple_of(DEPTH) {
            return None;
        }
        Some(Self { map: src.stored()?, bytes: shape.c_pitch * size_of::<Bf16>() })
    }

    /// Where steps find the blocks of a pixel.
    pub(super) fn sizes(&self, loaded: &TileSizes) -> TileSizes {
        TileSizes { place_bytes: self.bytes, block_bytes: PLACE_BYTES, ..*loaded }
    }

    /// `count` pixels from `pixel` on. The last ones are copied if they fill no whole tiles.
    ///
    /// # Safety
    /// The map must have the pixels; scratch must be that of as many places.
    #[inline(always)]
    pub(super) unsafe fn places(&self, [pixel, count]: [usize; 2], scratch: &Scratch) -> TilePlaces {
        let data = self.map.cast::<u8>().wrapping_add(pixel * self.bytes);
        let tail_from = count / (2 * TILE) * (2 * TILE);
        let (from, rest) = (data.wrapping_add(tail_from * self.bytes), count - tail_from);
        if rest > 0 {
            // SAFETY: promised by the caller: there are as many places, and 32 more.
            unsafe {
                scratch.planes.copy_from_nonoverlapping(from, rest * self.bytes);
                scratch.planes.add(rest * self.bytes).write_bytes(0, (2 * TILE - rest) * self.bytes);
            }
        }
        TilePlaces { data, bytes: self.bytes, tail_from, tail: scratch.planes }
    }

    /// What is read while a sweep of `blocks` blocks of filters multiplies: these pixels, and those of a map of `pitch` values that is
    /// added to outputs.
    pub(super) fn ahead(
        &self,
        [pixel, count]: [usize; 2],
        finish: &Finishing,
        (blocks, pitch): (usize, usize),
    ) -> [ReadAhead; 2] {
        let pairs = blocks.div_ceil(2);
        let data = self.map.cast::<u8>().wrapping_add(pixel * self.bytes);
        let added = match finish.added() {
            Some(MapPtr::Bf16(map)) => {
                let data = map.wrapping_add(pixel * pitch).cast();
                ReadAhead::pixels(data, pitch * size_of::<Bf16>(), count, pairs)
            }
            _ => ReadAhead::NONE,
        };
        [ReadAhead::pixels(data, self.bytes, count, pairs), added]
    }
}
