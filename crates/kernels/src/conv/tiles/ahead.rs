//! What the gradient of the filters reads next, asked for while the unit multiplies: maps come from far, and a part reads all of its
//! lines at once.

use super::sizes::PLACE_BYTES;
use crate::LANES;
use crate::conv::args::ConvBackwardWeightsArgs;
use crate::conv::windows::{source_window, thin};
use crate::maps::MapRef;
use crate::simd::Isa;

/// Bytes that are asked for at most: more would push out of the second-level cache what is multiplied.
const MOST_BYTES: usize = 768 << 10;

/// Outputs that are summed at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct SummedPart {
    pub(super) image: usize,
    pub(super) images: usize,
    pub(super) first: usize,
    pub(super) rows: usize,
}

/// Lines of some pixels of a map.
#[derive(Clone, Copy, Debug)]
struct PixelLines {
    next: *const u8,
    /// How many pixels are left, and bytes from one to the next.
    pixels: usize,
    step: usize,
    /// Lines of each.
    lines: usize,
    /// Lines of the first that were asked for.
    done: usize,
}

impl PixelLines {
    const NONE: Self = Self { next: std::ptr::null(), pixels: 0, step: 0, lines: 0, done: 0 };

    /// `count` pixels from `pixel` on, of each `channels` channels from `channel` on.
    fn new(map: &MapRef<'_>, [pixel, count, pitch]: [usize; 3], [channel, channels]: [usize; 2]) -> Self {
        let value = if map.half() { 2 } else { 4 };
        let next = map.ptr().address(pixel * pitch + channel).cast();
        let (step, bytes) = (pitch * value, channels * value);
        if bytes == step {
            // one behind the other
            return Self { next, pixels: 1, step: 0, lines: (count * step).div_ceil(PLACE_BYTES), done: 0 };
        }
        Self { next, pixels: count, step, lines: bytes.div_ceil(PLACE_BYTES), done: 0 }
    }
}

/// Lines of the next part: of the gradient, of what its batch norm reads, and of the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    maps: [PixelLines; 4],
    /// Lines to ask for.
    left: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { maps: [PixelLines::NONE; 4], left: 0 }
    }
}

impl Ahead {
    pub(super) fn new(args: &ConvBackwardWeightsArgs<'_>, part: &SummedPart) -> Self {
        let (shape, mut maps) = (args.shape, [PixelLines::NONE; 4]);
        let first = (part.image * shape.oh + part.first) * shape.ow;
        let outputs = [first, part.images * part.rows * shape.ow, shape.k_pitch()];
        let filters = [args.blocks.start * LANES, args.blocks.len() * LANES];
        maps[0] = PixelLines::new(&args.grad.g, outputs, filters);
        if let Some(norm) = &args.grad.norm {
            maps[1] = PixelLines::new(&norm.y, outputs, filters);
        }
        // thin images are small
        if !thin(shape) {
            let row = (part.first * shape.stride[0]).saturating_sub(shape.padding[0]).min(shape.h);
            let rows = source_window(shape, part.rows)[0].min(shape.h - row) + (part.images - 1) * shape.h;
            let first = (part.image * shape.h + row) * shape.w;
            let source = [first, rows * shape.w, shape.c_pitch];
            maps[2] = PixelLines::new(&args.src.main.data, source, [0, shape.c_pitch]);
            if let Some(add) = &args.src.add {
                maps[3] = PixelLines::new(&add.data, source, [0, shape.c_pitch]);
            }
        }
        let left: usize = maps.iter().map(|map| map.pixels * map.lines).sum();
        Self { maps, left: left.min(MOST_BYTES / PLACE_BYTES) }
    }

    /// How many are left.
    pub(super) fn lines(&self) -> usize {
        self.left
    }

    /// Asks for `count` lines.
    #[inline(always)]
    pub(super) fn bring<I: Isa>(&mut self, isa: I, count: usize) {
        let count = count.min(self.left);
        self.left -= count;
        let mut left = count;
        for map in &mut self.maps {
            while left > 0 && map.pixels > 0 {
                let some = left.min(map.lines - map.done);
                for line in map.done..map.done + some {
                    isa.prefetch_far(map.next.wrapping_add(line * PLACE_BYTES));
                }
                (left, map.done) = (left - some, map.done + some);
                if map.done == map.lines {
                    (map.pixels, map.done) = (map.pixels - 1, 0);
                    map.next = map.next.wrapping_add(map.step);
                }
            }
        }
    }
}
