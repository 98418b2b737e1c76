//! Filters as tiles: `[block of 16 filters][piece][block of 32 channels][tap][16 pairs of channels][16 filters][2]`, once per step.
//!
//! For the gradient of the input channels and filters change places. Where taps are gathered, all of them are one block after the
//! other of channels.
//!
//! One bf16 value leaves a rest of each number. In the forward pass the rest is added to the next number of the same filter before
//! that is rounded (error diffusion; Floyd & Steinberg 1976, in one dimension). Values behind a ReLU are never negative, so that rests of
//! one sign would add up; this way their sum stays below that of one number. In the gradient of the input each number is rounded
//! alone: gradients have both signs.

use std::ops::Range;

use super::pieces::Pieces;
use crate::bf16::Bf16;
use crate::conv::layout::{backward_block_len, pack_backward, packed_block_len, panel_offset};
use crate::conv::windows::thin;
use crate::shape::ConvShape;
use crate::simd::pairs::{DEPTH, TILE, TILE_BYTES};
use crate::simd::{Isa, Kernel};

/// Arguments of a [`super::TileTransform`].
#[derive(Debug)]
pub struct TileFilters<'a> {
    /// The sizes of the convolution.
    pub shape: &'a ConvShape,
    /// All packed filters.
    pub packed: &'a [f32],
    /// Blocks of output channels (forward) or of input channels (backward).
    pub blocks: Range<usize>,
    /// The tiles of those blocks, as words of two bf16 values.
    pub dst: &'a mut [f32],
    /// [`backward_block_len`](crate::conv::backward_block_len) values for the gradient of the input, none for the forward pass.
    pub scratch: &'a mut [f32],
}

/// Makes the tiles of some blocks.
pub(crate) struct TileFiltersKernel<'a> {
    pub(crate) args: TileFilters<'a>,
    pub(crate) pieces: Pieces,
    /// For the gradient of the input.
    pub(crate) backward: bool,
}

/// What the filters of a pass are summed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reduction {
    /// Channels, or taps times channels.
    channels: usize,
    taps: usize,
    /// Channels of a tap, where taps are gathered.
    gathered: Option<usize>,
}

impl Reduction {
    pub(super) fn forward(shape: &ConvShape) -> Self {
        let taps = shape.kernel[0] * shape.kernel[1];
        if thin(shape) {
            return Self { channels: taps * shape.c, taps: 1, gathered: Some(shape.c) };
        }
        Self { channels: shape.c, taps, gathered: None }
    }

    pub(super) fn backward(shape: &ConvShape) -> Self {
        Self { channels: shape.k, taps: shape.kernel[0] * shape.kernel[1], gathered: None }
    }

    /// Bytes of one block's filters.
    pub(super) fn panel_bytes(&self, pieces: Pieces) -> usize {
        pieces.count() * self.channels.div_ceil(DEPTH) * self.taps * TILE_BYTES
    }

    /// How many values are summed for each tap.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Where the sixteen values of a channel and a tap are in a panel of [`panel_offset`].
    #[inline(always)]
    pub(super) fn offset(&self, tap: usize, channel: usize) -> usize {
        match self.gathered {
            Some(c) => panel_offset(self.channels / c, c, channel / c, channel % c),
            None => panel_offset(self.taps, self.channels, tap, channel),
        }
    }
}

impl Kernel for TileFiltersKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { args: TileFilters { shape, packed, blocks, dst, scratch }, pieces, backward } = self;
        let reduction = if backward { Reduction::backward(shape) } else { Reduction::forward(shape) };
        let to = reduction.panel_bytes(pieces) / size_of::<f32>();
        assert_eq!(dst.len(), blocks.len() * to, "filters as tiles");
        for (dst, block) in dst.chunks_exact_mut(to).zip(blocks) {
            let dst = dst.as_mut_ptr().cast();
            if backward {
                let panel = &mut scratch[..backward_block_len(shape)];
                pack_backward(shape, packed, block..block + 1, panel);
                // SAFETY: `dst` has the bytes of a panel.
                unsafe { tiles(isa, &reduction, panel, (pieces, false), dst) };
            } else {
                let len = packed_block_len(shape);
                // SAFETY: `dst` has the bytes of a panel.
                unsafe { tiles(isa, &reduction, &packed[block * len..][..len], (pieces, true), dst) };
            }
        }
    }
}

/// `diffuses`: whether a single piece hands its rest on.
///
/// # Safety
/// `dst` must have room for the tiles of a panel.
#[inline(always)]
unsafe fn tiles<I: Isa>(
    isa: I,
    reduction: &Reduction,
    panel: &[f32],
    (pieces, diffuses): (Pieces, bool),
    dst: *mut Bf16,
) {
    let diffuses = diffuses && pieces == Pieces::One;
    let mut rest = isa.zero();
    let blocks = reduction.channels.div_ceil(DEPTH);
    let piece_len = blocks * reduction.taps * TILE * DEPTH;
    for block in 0..blocks {
        for tap in 0..reduction.taps {
            for pair in 0..TILE {
                let channel = block * DEPTH + 2 * pair;
                let mut values = [isa.zero(); 2];
                for half in 0..2 {
                    if channel + half < reduction.channels {
                        let at = &panel[reduction.offset(tap, channel + half)..][..TILE];
                        // SAFETY: the slice has sixteen values.
                        values[half] = unsafe { isa.load(at.as_ptr()) };
                        if diffuses {
                            let wanted = isa.add(values[half], rest);
                            values[half] = isa.round_bf16(wanted);
                            rest = isa.sub(wanted, values[half]);
                        }
                    }
                }
                let [evens, odds] = values;
                let at = (block * reduction.taps + tap) * TILE * DEPTH + pair * DEPTH;
                // SAFETY: promised by the caller.
                unsafe {
                    isa.store_pairs(dst.add(at), evens, odds);
                    if pieces == Pieces::Two {
                        let evens = isa.sub(evens, isa.round_bf16(evens));
                        let odds = isa.sub(odds, isa.round_bf16(odds));
                        isa.store_pairs(dst.add(piece_len + at), evens, odds);
                    }
                }
            }
        }
    }
}

/// The bytes of some blocks.
pub(super) fn panels(words: &[f32], panel_bytes: usize, blocks: &Range<usize>) -> *const u8 {
    let words = &words[blocks.start * panel_bytes / size_of::<f32>()..];
    assert!(size_of_val(words) >= blocks.len() * panel_bytes, "filters as tiles");
    words.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LANES;
    use crate::conv::layout::{pack, packed_len};
    use crate::conv::tiles;

    /// Numbers that are all rounded down alone: their rests would add up to a third of a filter's number each.
    #[test]
    fn the_rests_of_a_filter_do_not_add_up() {
        let shape = ConvShape {
            c: 40,
            k: 17,
            h: 4,
            w: 4,
            oh: 4,
            ow: 4,
            kernel: [3; 2],
            stride: [1; 2],
            padding: [1; 2],
            dilation: [1; 2],
            groups: 1,
            c_pitch: 48,
        };
        let taps = shape.kernel[0] * shape.kernel[1];
        let number = 1.0 + 1.0 / 384.0;
        let mut packed = vec![0.0; packed_len(&shape)];
        pack(&shape, &vec![number; shape.k * shape.c * taps], &mut packed);
        let words = tiles::filters_block_len(&shape, Pieces::One);
        for entry in tiles::filters(Pieces::One).iter().filter(|entry| entry.level.supported()) {
            let mut dst = vec![f32::NAN; 2 * words];
            (entry.run)(TileFilters {
                shape: &shape,
                packed: &packed,
                blocks: 0..2,
                dst: &mut dst,
                scratch: &mut [],
            });
            for filter in 0..shape.k {
                let panel = &dst[filter / LANES * words..][..words];
                let pairs = panel.iter().skip(filter % LANES).step_by(LANES);
                let halves = pairs.flat_map(|pair| [pair.to_bits() as u16, (pair.to_bits() >> 16) as u16]);
                let sum: f64 = halves.map(|bits| f64::from(Bf16::from_bits(bits).to_f32())).sum();
                let want = f64::from(number) * (shape.c * taps) as f64;
                assert!((sum - want).abs() < 1.0 / 128.0, "{}: {sum}, not {want}", entry.name);
            }
        }
    }
}
