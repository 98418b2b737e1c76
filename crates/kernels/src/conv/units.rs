//! Channels that belong together. Without groups these are all channels. A group of 16, 32, .. channels is whole blocks and
//! reads no others. Several narrower groups share a block, and an output block then reads the input block of the same number.
//!
//! A piece is cut into [`PiecePart`]s of a few units, which are loaded at once. The other channels are never read, and the
//! few make neighbouring cache lines of every pixel. None of it changes a result.

use std::ops::Range;

use super::limits::LOAD_VALUES;
use super::windows::backward_window;
use crate::shape::ConvShape;
use crate::{LANES, pitch};

/// Blocks loaded at once, if they hold several units: 256 bytes of a pixel, which its memory sends about as fast as 64.
const TOGETHER: usize = 4;

/// Whether channels are in groups of whole blocks.
pub(crate) fn whole_groups(shape: &ConvShape) -> bool {
    shape.groups > 1 && per_group(shape).iter().all(|channels| channels.is_multiple_of(LANES))
}

/// Whether whole groups share a block, of the input and of the output alike.
pub(crate) fn narrow_groups(shape: &ConvShape) -> bool {
    let [inputs, outputs] = per_group(shape);
    shape.groups > 1 && inputs == outputs && inputs < LANES && LANES.is_multiple_of(inputs)
}

/// Input and output channels of a group.
fn per_group(shape: &ConvShape) -> [usize; 2] {
    [shape.c / shape.groups, shape.k / shape.groups]
}

/// The units of one pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Units {
    /// Blocks that come out of a unit.
    pub(crate) outputs: usize,
    /// Blocks that it reads.
    pub(crate) inputs: usize,
    /// How many are loaded at once.
    together: usize,
}

impl Units {
    /// Of a pass from input to output.
    pub(crate) fn forward(shape: &ConvShape) -> Self {
        Self::new(shape, [shape.c, shape.k], usize::MAX)
    }

    /// Of the gradient of the input; there a map is loaded as a whole.
    pub(crate) fn backward(shape: &ConvShape) -> Self {
        let [rows, columns] = backward_window(shape);
        Self::new(shape, [shape.k, shape.c], LOAD_VALUES / (rows * columns * LANES))
    }

    /// From `read` to `made` channels; at most `most` blocks at once, where there is a choice.
    fn new(shape: &ConvShape, [read, made]: [usize; 2], most: usize) -> Self {
        let divided = if whole_groups(shape) { shape.groups } else { 1 };
        let [inputs, outputs] = if narrow_groups(shape) {
            [1, 1]
        } else {
            [read, made].map(|channels| (channels / divided).div_ceil(LANES))
        };
        let together = (TOGETHER.min(most) / inputs).clamp(1, pitch(read) / LANES / inputs);
        Self { outputs, inputs, together }
    }

    /// Channels that are loaded at once.
    pub(crate) fn loaded(&self) -> usize {
        self.together * self.inputs * LANES
    }

    /// The first part of the output blocks `start..end`.
    #[inline(always)]
    pub(crate) fn part(&self, start: usize, end: usize) -> PiecePart {
        let first = start / self.outputs;
        let outputs = start..end.min((first + self.together) * self.outputs);
        let inputs = first * self.inputs..outputs.end.div_ceil(self.outputs) * self.inputs;
        PiecePart { outputs, inputs, units: *self }
    }
}

/// Blocks of a piece that are computed from what is loaded at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PiecePart {
    /// Blocks that come out.
    pub(crate) outputs: Range<usize>,
    /// Blocks that are loaded: all of each unit.
    pub(crate) inputs: Range<usize>,
    /// Of this pass.
    pub(crate) units: Units,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(c: usize, k: usize, groups: usize) -> ConvShape {
        ConvShape {
            c,
            k,
            h: 9,
            w: 9,
            oh: 9,
            ow: 9,
            kernel: [3; 2],
            stride: [1; 2],
            padding: [1; 2],
            dilation: [1; 2],
            groups,
            c_pitch: pitch(c),
        }
    }

    #[test]
    fn parts_cover_a_piece_and_load_what_it_reads() {
        for (c, k, groups) in
            [(3, 40, 1), (64, 200, 1), (12, 12, 3), (128, 128, 32), (96, 48, 3), (64, 384, 2)]
        {
            let shape = shape(c, k, groups);
            for (units, made) in [(Units::forward(&shape), k), (Units::backward(&shape), c)] {
                let blocks = made.div_ceil(LANES);
                for (first, end) in
                    (0..blocks).flat_map(|first| (first + 1..=blocks).map(move |end| (first, end)))
                {
                    let mut start = first;
                    while start < end {
                        let part = units.part(start, end);
                        assert_eq!(part.outputs.start, start, "{part:?}");
                        assert!(part.outputs.end > start && part.outputs.end <= end, "{part:?}");
                        assert!(part.inputs.len() * LANES <= units.loaded(), "{part:?}");
                        for block in part.outputs.clone() {
                            let unit = block / units.outputs;
                            let read = unit * units.inputs..(unit + 1) * units.inputs;
                            assert!(
                                part.inputs.start <= read.start && read.end <= part.inputs.end,
                                "{part:?}"
                            );
                        }
                        start = part.outputs.end;
                    }
                }
            }
        }
    }

    #[test]
    fn groups_are_whole_blocks_or_share_them_or_neither() {
        for (c, k, groups, whole, narrow) in [
            (64, 64, 1, false, false),
            (128, 128, 32, false, true),
            (12, 12, 12, false, true),
            (64, 64, 4, true, false),
            (64, 32, 2, true, false),
            (64, 128, 16, false, false),
            (48, 48, 2, false, false),
            (6, 4, 2, false, false),
        ] {
            let shape = shape(c, k, groups);
            assert_eq!([whole_groups(&shape), narrow_groups(&shape)], [whole, narrow], "{shape:?}");
        }
    }
}
