//! Sizes that kernels are told; output sizes come from the caller.

use crate::{LANES, pitch};

/// Sizes of a convolution. A dense layer is one whose kernel covers the whole map.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConvShape {
    /// Input channels.
    pub c: usize,
    /// Output channels.
    pub k: usize,
    /// Input rows.
    pub h: usize,
    /// Input columns.
    pub w: usize,
    /// Output rows.
    pub oh: usize,
    /// Output columns.
    pub ow: usize,
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal zero padding.
    pub padding: [usize; 2],
    /// Vertical and horizontal dilation.
    pub dilation: [usize; 2],
    /// Channel groups.
    pub groups: usize,
    /// Distance between neighbouring input pixels: `c` for the network input, else `pitch(c)`.
    pub c_pitch: usize,
}

impl ConvShape {
    /// Distance between neighbouring output pixels.
    pub fn k_pitch(&self) -> usize {
        pitch(self.k)
    }

    /// Multiply-accumulates for one image.
    pub fn macs(&self) -> usize {
        self.oh * self.ow * self.k * (self.c / self.groups) * self.kernel[0] * self.kernel[1]
    }

    /// Multiply-accumulates for one image whose tap lies inside the map: the work that counts in a speed. Kernels of
    /// small maps skip the others; those of large maps multiply them with zeros, which is no use to anybody.
    pub fn macs_inside(&self) -> usize {
        let inside = |axis: usize| {
            let (input, output) = if axis == 0 { (self.h, self.oh) } else { (self.w, self.ow) };
            let taps = (0..output).flat_map(|o| (0..self.kernel[axis]).map(move |tap| (o, tap)));
            let at = taps.map(|(o, tap)| o * self.stride[axis] + tap * self.dilation[axis]);
            at.filter(|at| (self.padding[axis]..self.padding[axis] + input).contains(at)).count()
        };
        self.k * (self.c / self.groups) * inside(0) * inside(1)
    }
}

/// Sizes of a pooling over maps of pitch `pitch(c)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PoolShape {
    /// Channels.
    pub c: usize,
    /// Input rows.
    pub h: usize,
    /// Input columns.
    pub w: usize,
    /// Output rows.
    pub oh: usize,
    /// Output columns.
    pub ow: usize,
    /// Window rows and columns.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal border.
    pub padding: [usize; 2],
}

/// Sizes of a subsampling from a map of pitch `pitch(c)` to one of pitch `pitch(before + c + after)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SubsampleShape {
    /// Input channels.
    pub c: usize,
    /// Input rows.
    pub h: usize,
    /// Input columns.
    pub w: usize,
    /// Output rows.
    pub oh: usize,
    /// Output columns.
    pub ow: usize,
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Output channels of zeros in front of the input's.
    pub before: usize,
    /// Output channels of zeros behind them.
    pub after: usize,
}

impl SubsampleShape {
    /// Distance between neighbouring output pixels.
    pub fn k_pitch(&self) -> usize {
        pitch(self.before + self.c + self.after)
    }
}

/// Sizes of one map, of pitch `pitch(c)`, that becomes some of the channels of another of as many pixels, of pitch
/// `pitch(before + c + after)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConcatShape {
    /// Channels of the map.
    pub c: usize,
    /// Rows times columns of one image.
    pub pixels: usize,
    /// Output channels of the maps in front of it.
    pub before: usize,
    /// Output channels of the maps behind it.
    pub after: usize,
}

impl ConcatShape {
    /// Distance between neighbouring output pixels.
    pub fn k_pitch(&self) -> usize {
        pitch(self.before + self.c + self.after)
    }
}

/// Sizes of an elementwise operation over `pixels` pixels (rows times columns) of `c` channels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MapShape {
    /// Channels.
    pub c: usize,
    /// Distance between neighbouring pixels: `c` for the network input, else `pitch(c)`.
    pub pitch: usize,
    /// Rows times columns of one image.
    pub pixels: usize,
}

impl MapShape {
    /// Whether pixels are whole vectors, as all maps but the network input are.
    pub fn whole_vectors(&self) -> bool {
        self.pitch.is_multiple_of(LANES)
    }
}
