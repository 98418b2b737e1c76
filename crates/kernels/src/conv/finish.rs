//! Outputs on their way out: bias, batch norm, residual join and ReLU while they are in registers.

use crate::LANES;
use crate::args::{Finish, FusedActivation, MapTerm};
use crate::maps::{MapPtr, MapPtrMut};
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

/// Where a register of channels of some pixels goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputLine {
    /// The map.
    pub(crate) map: MapPtrMut,
    /// The register's first channel.
    pub(crate) channel: usize,
    /// Whether to add to what is there.
    pub(crate) accumulate: bool,
}

impl OutputLine {
    /// Stores it.
    ///
    /// # Safety
    /// The map must have the pixels.
    #[inline(always)]
    pub(crate) unsafe fn store<I: Isa, const M: usize>(
        &self,
        isa: I,
        line: [I::R; M],
        pixels: OutputPixels<M>,
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            // a look at the type for each vector would take as long as the stores
            match self.map {
                MapPtrMut::F32(map) => {
                    for m in 0..M {
                        if m < pixels.count {
                            let to = map.wrapping_add(pixels.starts[m] + self.channel);
                            let mut value = line[m];
                            if self.accumulate {
                                value = isa.register_add(value, isa.register_load(to));
                            }
                            isa.register_store(to, value);
                        }
                    }
                }
                MapPtrMut::Bf16(map) => {
                    for m in 0..M {
                        if m < pixels.count {
                            let to = map.wrapping_add(pixels.starts[m] + self.channel);
                            let mut value = line[m];
                            if self.accumulate {
                                value = isa.register_add(value, isa.register_load_bf16(to));
                            }
                            isa.register_store_bf16(to, value);
                        }
                    }
                }
            }
        }
    }
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
            // a look at the type for each vector would take as long as the loads
            match self.add {
                None => {}
                Some(MapPtr::F32(_)) => acc = self.join::<I, M, N, false>(isa, acc, pixels, channel),
                Some(MapPtr::Bf16(_)) => acc = self.join::<I, M, N, true>(isa, acc, pixels, channel),
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

    /// Adds the second term of a join, whose map is bf16 if `HALF`, to what [`Finishing::tile`] has so far.
    ///
    /// # Safety
    /// As [`Finishing::tile`].
    #[inline(always)]
    unsafe fn join<I: Isa, const M: usize, const N: usize, const HALF: bool>(
        &self,
        isa: I,
        mut acc: [[I::V; N]; M],
        pixels: [usize; M],
        channel: usize,
    ) -> [[I::V; N]; M] {
        let Some(add) = self.add else { return acc };
        // SAFETY: promised by the caller.
        unsafe {
            for n in 0..N {
                let channel = channel + n * LANES;
                if let Some([scale, shift]) = self.add_affine {
                    let (scale, shift) = (isa.load(scale.add(channel)), isa.load(shift.add(channel)));
                    for m in 0..M {
                        let other = add.load_as::<I, HALF>(isa, pixels[m] + channel);
                        acc[m][n] = isa.add(acc[m][n], isa.mul_add(other, scale, shift));
                    }
                } else {
                    for m in 0..M {
                        acc[m][n] = isa.add(acc[m][n], add.load_as::<I, HALF>(isa, pixels[m] + channel));
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
