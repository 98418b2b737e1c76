//! Outputs on their way out: bias, batch norm, residual join and ReLU while they are in registers.

use crate::args::{Finish, Term};
use crate::simd::Isa;

/// [`Finish`] and bias of the channels of a piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Finishing {
    bias: Option<*const f32>,
    affine: Option<[*const f32; 2]>,
    add: Option<*const f32>,
    add_affine: Option<[*const f32; 2]>,
    relu: bool,
}

impl Finishing {
    /// Of the channels from `channel` on; per-channel slices and maps must be whole.
    pub(crate) fn new(bias: Option<&[f32]>, finish: &Finish<'_>, channel: usize) -> Self {
        let at = |slice: &[f32]| slice.as_ptr().wrapping_add(channel);
        let affine = |term: &Term<'_>| term.affine.map(|affine| [at(affine.scale), at(affine.shift)]);
        Self {
            bias: bias.map(at),
            affine: finish.affine.map(|affine| [at(affine.scale), at(affine.shift)]),
            add: finish.add.map(|term| at(term.data)),
            add_affine: finish.add.as_ref().and_then(affine),
            relu: finish.relu,
        }
    }

    /// The map that is added, from the piece's first channel on.
    pub(crate) fn added(&self) -> Option<*const f32> {
        self.add
    }

    /// Sixteen outputs from channel `channel` on of the pixel that starts at `pixel` (its index times the pitch).
    ///
    /// # Safety
    /// Per-channel slices must have the channels, the map that is added the pixel.
    #[inline(always)]
    pub(crate) unsafe fn vector<I: Isa>(&self, isa: I, mut v: I::V, [pixel, channel]: [usize; 2]) -> I::V {
        // SAFETY: promised by the caller.
        unsafe {
            if let Some(bias) = self.bias {
                v = isa.add(v, isa.load(bias.add(channel)));
            }
            if let Some([scale, shift]) = self.affine {
                v = isa.mul_add(v, isa.load(scale.add(channel)), isa.load(shift.add(channel)));
            }
            if let Some(add) = self.add {
                let mut other = isa.load(add.add(pixel + channel));
                if let Some([scale, shift]) = self.add_affine {
                    other = isa.mul_add(other, isa.load(scale.add(channel)), isa.load(shift.add(channel)));
                }
                v = isa.add(v, other);
            }
        }
        if self.relu { isa.relu(v) } else { v }
    }

    /// As [`Finishing::vector`], of as many outputs as a register has.
    ///
    /// # Safety
    /// As [`Finishing::vector`].
    #[inline(always)]
    pub(crate) unsafe fn register<I: Isa>(&self, isa: I, mut v: I::R, [pixel, channel]: [usize; 2]) -> I::R {
        // SAFETY: promised by the caller.
        unsafe {
            if let Some(bias) = self.bias {
                v = isa.register_add(v, isa.register_load(bias.add(channel)));
            }
            if let Some([scale, shift]) = self.affine {
                v = isa.register_mul_add(
                    v,
                    isa.register_load(scale.add(channel)),
                    isa.register_load(shift.add(channel)),
                );
            }
            if let Some(add) = self.add {
                let mut other = isa.register_load(add.add(pixel + channel));
                if let Some([scale, shift]) = self.add_affine {
                    other = isa.register_mul_add(
                        other,
                        isa.register_load(scale.add(channel)),
                        isa.register_load(shift.add(channel)),
                    );
                }
                v = isa.register_add(v, other);
            }
        }
        if self.relu { isa.register_relu(v) } else { v }
    }
}
