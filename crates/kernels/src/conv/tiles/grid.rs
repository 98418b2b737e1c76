//! Where a pass reads and what it makes, axis by axis: so that 16 neighbouring outputs read 16 neighbouring places for every tap.
//!
//! The map that is read lies in scratch with a border of zeros. With stride 2 its even and its odd lines lie apart, as *planes*, so
//! that outputs side by side read places side by side. Outputs are then numbered as the places of a plane are. Some numbers stand for
//! no output, at the end of each row; what is computed for them is dropped.
//!
//! Neighbouring rows share one border: behind the last place of a row comes the zero in front of the next. So do images that are
//! loaded together.

use crate::conv::windows::backward_border;
use crate::shape::ConvShape;
use crate::simd::pairs::DEPTH;

/// One axis of the map that is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ReadAxis {
    /// Lines of the map.
    pub(super) size: usize,
    /// From one line of a plane to the next, in the map.
    pub(super) step: usize,
    /// Planes.
    pub(super) planes: usize,
    /// Lines of zeros in front of the map.
    pub(super) lead: usize,
    /// Lines of a plane.
    pub(super) lines: usize,
}

/// Outputs along one axis that share a set of taps: all of them, or in the gradient of a strided layer those of one remainder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MadeAxis {
    /// First line.
    pub(super) first: usize,
    /// From one line to the next.
    pub(super) step: usize,
    /// How many.
    pub(super) count: usize,
    /// First tap.
    tap: usize,
    tap_step: usize,
    /// How many taps.
    pub(super) taps: usize,
    /// Line that the first tap of the first output reads, the border in front counted.
    at: isize,
    at_step: isize,
}

/// A tap along one axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct AxisTap {
    /// Its number in the filter.
    pub(super) tap: usize,
    /// The plane that it reads.
    pub(super) plane: usize,
    /// The line of that plane for the first output.
    pub(super) line: usize,
}

impl ReadAxis {
    /// Of a pass from input to output, of `made` lines. Lines that follow each other may share their border.
    pub(super) fn forward(shape: &ConvShape, axis: usize, made: usize, shared: bool) -> Self {
        let size = [shape.h, shape.w][axis];
        let (step, pad) = (shape.stride[axis], shape.padding[axis]);
        let reach = (shape.kernel[axis] - 1) * shape.dilation[axis];
        if step == 1 && shared {
            let behind = (made + reach).saturating_sub(size + pad);
            let lead = pad.max(behind);
            return Self { size, step, planes: 1, lead, lines: (size + lead).max(made) };
        }
        let planes = if shape.kernel[axis] == 1 { 1 } else { step };
        Self { size, step, planes, lead: pad, lines: made + reach / step }
    }

    /// Of the gradient of the input.
    pub(super) fn backward(shape: &ConvShape, axis: usize, shared: bool) -> Self {
        let size = [shape.oh, shape.ow][axis];
        let [before, behind] = backward_border(shape, axis);
        let most = [shape.h, shape.w][axis].div_ceil(shape.stride[axis]);
        if shared {
            let lead = before.max(behind);
            return Self { size, step: 1, planes: 1, lead, lines: (size + lead).max(most) };
        }
        Self { size, step: 1, planes: 1, lead: before, lines: (size + before + behind).max(most) }
    }

    /// The line of the map at line `line` of plane `plane`; negative and large ones are border.
    pub(super) fn source(&self, plane: usize, line: usize) -> isize {
        (line * self.step + plane) as isize - self.lead as isize
    }
}

impl MadeAxis {
    /// All outputs, or `count` of them.
    pub(super) fn forward(shape: &ConvShape, axis: usize, read: &ReadAxis, count: usize) -> Self {
        Self {
            first: 0,
            step: 1,
            count,
            tap: 0,
            tap_step: 1,
            taps: shape.kernel[axis],
            at: read.lead as isize - shape.padding[axis] as isize,
            at_step: shape.dilation[axis] as isize,
        }
    }

    /// Inputs congruent to `remainder` modulo the stride. Output o and tap r meet input i where o stride = i + padding - r dilation
    /// (Dumoulin & Visin 2016, "A guide to convolution arithmetic", section 4); with a stride the dilation is 1.
    pub(super) fn backward(shape: &ConvShape, axis: usize, read: &ReadAxis, remainder: usize) -> Self {
        let (size, stride) = ([shape.h, shape.w][axis], shape.stride[axis]);
        let at = remainder + shape.padding[axis];
        let tap = at % stride;
        Self {
            first: remainder,
            step: stride,
            count: size.saturating_sub(remainder).div_ceil(stride),
            tap,
            tap_step: stride,
            taps: shape.kernel[axis].saturating_sub(tap).div_ceil(stride),
            at: (at / stride + read.lead) as isize,
            at_step: -(shape.dilation[axis] as isize),
        }
    }

    /// Tap number `index` of those of these outputs.
    pub(super) fn tap(&self, read: &ReadAxis, index: usize) -> AxisTap {
        let line = (self.at + index as isize * self.at_step) as usize;
        // of a kernel of one tap, which needs one plane only, every line is a multiple of the step
        let (plane, line) = (line % read.step, line / read.step);
        AxisTap { tap: self.tap + index * self.tap_step, plane, line }
    }
}

/// Both axes of the map that is read, of some images.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Planes {
    pub(super) axes: [ReadAxis; 2],
    pub(super) images: usize,
}

impl Planes {
    /// Places of one plane.
    pub(super) fn plane(&self) -> usize {
        self.images * self.axes[0].lines * self.axes[1].lines
    }

    /// Places of all planes.
    pub(super) fn all(&self) -> usize {
        self.axes[0].planes * self.axes[1].planes * self.plane()
    }

    /// With the zeros behind them: those that the last row shares, and what tiles read for numbers that stand for no output. Whole
    /// tiles.
    pub(super) fn places(&self) -> usize {
        let border = self.axes[0].lead * self.axes[1].lines + self.axes[1].lead;
        (self.all() + border + DEPTH).next_multiple_of(DEPTH)
    }

    /// Where a tap of both axes reads for the first output.
    pub(super) fn place(&self, [row, column]: [AxisTap; 2]) -> usize {
        let columns = self.axes[1];
        (row.plane * columns.planes + column.plane) * self.plane() + row.line * columns.lines + column.line
    }

    /// One more than the highest number of an output.
    pub(super) fn numbers(&self, made: &[MadeAxis; 2]) -> usize {
        let [rows, columns] = self.axes;
        if made.iter().any(|axis| axis.count == 0) {
            return 0;
        }
        ((self.images - 1) * rows.lines + made[0].count - 1) * columns.lines + made[1].count
    }
}
