//! Outputs on their way out: bias, batch norm, residual join and ReLU while they are in registers.

use crate::LANES;
use crate::args::{Finish, FusedActivation, MapTerm};
use crate::maps::MapPtr;
use crate::simd::Isa;

/// [`Finish`] and bias of the channels of a piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Finishing {
    bias: Option<*const f32>,
    affine: Option<[*const f32; 2]>,
    add: Option<MapPtr>,
    add_affine: Option<[*const f32; 2]>,
    activation: FusedActivation,
}

/// The first `count` of `M` pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputPixels<const M: usize> {
    /// Where they start: their indices times the pitch.
    pub(crate) starts: [usize; M],
    /// How many there are.
    pub(crate) count: usize,
}

impl Finishing {
    /// Of the channels from `channel` on; per-channel slices and maps must be whole.
    pub(crate) fn new(bias: Option<&[f32]>, finish: &Finish<'_>, channel: usize) -> Self {
        let at = |slice: &[f32]| slice.as_ptr().wrapping_add(channel);
        let affine = |term: &MapTerm<'_>| term.affine.map(|affine| [at(affine.scale), at(affine.shift)]);
        Self {
            bias: bias.map(at),
            affine: finish.affine.map(|affine| [at(affine.scale), at(affine.shift)]),
            add: finish.add.map(|term| term.data.ptr().add(channel)),
            add_affine: finish.add.as_ref().and_then(affine),
            activation: finish.activation,
        }
    }

    /// The map that is added, from the piece's first channel on.
    pub(crate) fn added(&self) -> Option<MapPtr> {
        self.add
    }

    /// `N` blocks from channel `channel` on of the `M` pixels that start at `pixels` (their indices times the pitch). One
    /// operation for all of them before the next: they stay in registers.
    ///
    /// # Safety
    /// Per-channel slices must have the channels, the map that is added the pixels.
    #[inline(always)]
    pub(crate) unsafe fn tile<I: Isa, const M: usize, const N: usize>(
        &self,
        isa: I,
        mut acc: [[I::V; N]; M],
        pixels: [usize; M],
        channel: usize,
    ) -> [[I::V; N]; M] {
        // SAFETY: promised by the caller.
        unsafe {
            if let Some(bias) = self.bias {
                for n in 0..N {
                    let bias = isa.load(bias.add(channel + n * LANES));
                    for m in 0..M {
                        acc[m][n] = isa.add(acc[m][n], bias);
                    }
                }
            }
            if let Some([scale, shift]) = self.affine {
                for n in 0..N {
                    let scale = isa.load(scale.add(channel + n * LANES));
                    let shift = isa.load(shift.add(channel + n * LANES));
                    for m in 0..M {
                        acc[m][n] = isa.mul_add(acc[m][n], scale, shift);
                    }
                }
            }
            if let Some(add) = self.add {
                for n in 0..N {
                    let channel = channel + n * LANES;
                    if let Some([scale, shift]) = self.add_affine {
                        let (scale, shift) = (isa.load(scale.add(channel)), isa.load(shift.add(channel)));
                        for m in 0..M {
                            let other = add.load(isa, pixels[m] + channel);
                            acc[m][n] = isa.add(acc[m][n], isa.mul_add(other, scale, shift));
                        }
                    } else {
                        for m in 0..M {
                            acc[m][n] = isa.add(acc[m][n], add.load(isa, pixels[m] + channel));
                        }
                    }
                }
            }
        }
        match self.activation {
            FusedActivation::None => {}
            FusedActivation::Relu => {
                for row in &mut acc {
                    for v in row {
                        *v = isa.relu(*v);
                    }
                }
            }
        }
        acc
    }

    /// As [`Finishing::tile`], of as many channels as a register has.
    ///
    /// # Safety
    /// As [`Finishing::tile`].
    #[inline(always)]
    pub(crate) unsafe fn line<I: Isa, const M: usize>(
        &self,
        isa: I,
        mut acc: [I::R; M],
        pixels: OutputPixels<M>,
        channel: usize,
    ) -> [I::R; M] {
        let OutputPixels { starts, count } = pixels;
        // SAFETY: promised by the caller.
        unsafe {
            if let Some(bias) = self.bias {
                let bias = isa.register_load(bias.add(channel));
                for m in 0..M {
                    acc[m] = isa.register_add(acc[m], bias);
                }
            }
            if let Some([scale, shift]) = self.affine {
                let scale = isa.register_load(scale.add(channel));
                let shift = isa.register_load(shift.add(channel));
                for m in 0..M {
                    acc[m] = isa.register_mul_add(acc[m], scale, shift);
                }
            }
            if let Some(add) = self.add {
                for m in 0..M {
                    if m < count {
                        let mut other = add.register(isa, starts[m] + channel);
                        if let Some([scale, shift]) = self.add_affine {
                            let scale = isa.register_load(scale.add(channel));
                            let shift = isa.register_load(shift.add(channel));
                            other = isa.register_mul_add(other, scale, shift);
                        }
                        acc[m] = isa.register_add(acc[m], other);
                    }
                }
            }
        }
        match self.activation {
            FusedActivation::None => {}
            FusedActivation::Relu => {
                for v in &mut acc {
                    *v = isa.register_relu(*v);
                }
            }
        }
        acc
    }
}
