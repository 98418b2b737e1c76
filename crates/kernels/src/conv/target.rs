//! Where register tiles go: rows of a map of either type.

use super::finish::Finishing;
use crate::LANES;
use crate::maps::MapPtrMut;
use crate::simd::Isa;

/// Where tiles are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileTarget<'a> {
    /// Pixel 0, first channel of the piece.
    pub(crate) map: MapPtrMut,
    /// Distance between pixels.
    pub(crate) pitch: usize,
    /// First channel of the tiles, counted in the piece.
    pub(crate) channel: usize,
    /// What happens to every output.
    pub(crate) finish: &'a Finishing,
    /// Whether to add to what is there.
    pub(crate) accumulate: bool,
}

impl TileTarget<'_> {
    /// The tile that starts at `pixels`.
    ///
    /// # Safety
    /// It must be readable.
    #[inline(always)]
    pub(crate) unsafe fn load<I: Isa, const M: usize, const NR: usize>(
        &self,
        isa: I,
        pixels: [usize; M],
    ) -> [[I::V; NR]; M] {
        let mut tile = [[isa.zero(); NR]; M];
        // SAFETY: promised by the caller.
        unsafe {
            // a look at the type for each vector would take as long as the loads
            match self.map {
                MapPtrMut::F32(map) => {
                    for m in 0..M {
                        for n in 0..NR {
                            tile[m][n] = isa.load(map.add(pixels[m] + self.channel + n * LANES));
                        }
                    }
                }
                MapPtrMut::Bf16(map) => {
                    for m in 0..M {
                        for n in 0..NR {
                            tile[m][n] = isa.load_bf16(map.add(pixels[m] + self.channel + n * LANES));
                        }
                    }
                }
            }
        }
        tile
    }

    /// Stores the tile that starts at `pixels`.
    ///
    /// # Safety
    /// It must be writable.
    #[inline(always)]
    pub(crate) unsafe fn store<I: Isa, const M: usize, const NR: usize>(
        &self,
        isa: I,
        tile: [[I::V; NR]; M],
        pixels: [usize; M],
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            match self.map {
                MapPtrMut::F32(map) => {
                    for m in 0..M {
                        for n in 0..NR {
                            isa.store(map.add(pixels[m] + self.channel + n * LANES), tile[m][n]);
                        }
                    }
                }
                MapPtrMut::Bf16(map) => {
                    for m in 0..M {
                        let to = map.add(pixels[m] + self.channel);
                        if NR == 2 {
                            isa.store_bf16_pair(to, tile[m][0], tile[m][NR - 1]);
                            continue;
                        }
                        for n in 0..NR {
                            isa.store_bf16(to.add(n * LANES), tile[m][n]);
                        }
                    }
                }
            }
        }
    }
}
