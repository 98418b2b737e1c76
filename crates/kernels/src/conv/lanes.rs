//! Sixteen channels of a source, a gradient or a sink at one pixel: the vector forms of [`crate::args`].

use crate::args::{Affine, Gate, Grad, SUM_RUN, Sink, Source, Sums, Term};
use crate::simd::Isa;

/// The source's sixteen channels from `channel` on, at the pixel starting at `pixel`.
///
/// # Safety
/// `pixel + channel + 16` values must be readable in every map and `channel + 16` in every per-channel slice.
#[inline(always)]
pub(crate) unsafe fn source<I: Isa>(isa: I, src: &Source<'_>, pixel: usize, channel: usize) -> I::V {
    // SAFETY: promised by the caller.
    unsafe {
        let mut v = term(isa, &src.main, pixel, channel);
        if let Some(add) = &src.add {
            v = isa.add(v, term(isa, add, pixel, channel));
        }
        if src.relu { isa.relu(v) } else { v }
    }
}

/// # Safety
/// As [`source`].
#[inline(always)]
unsafe fn term<I: Isa>(isa: I, term: &Term<'_>, pixel: usize, channel: usize) -> I::V {
    // SAFETY: promised by the caller.
    unsafe {
        let x = isa.load(term.data.as_ptr().add(pixel + channel));
        match &term.affine {
            Some(affine) => affine_of(isa, affine, x, channel),
            None => x,
        }
    }
}

/// # Safety
/// `channel + 16` values must be readable in both slices.
#[inline(always)]
unsafe fn affine_of<I: Isa>(isa: I, affine: &Affine<'_>, x: I::V, channel: usize) -> I::V {
    // SAFETY: promised by the caller.
    unsafe {
        isa.mul_add(
            x,
            isa.load(affine.scale.as_ptr().add(channel)),
            isa.load(affine.shift.as_ptr().add(channel)),
        )
    }
}

/// The gradient's sixteen channels from `channel` on, at the pixel starting at `pixel`.
///
/// # Safety
/// As [`source`].
#[inline(always)]
pub(crate) unsafe fn gradient<I: Isa>(isa: I, grad: &Grad<'_>, pixel: usize, channel: usize) -> I::V {
    // SAFETY: promised by the caller.
    unsafe {
        let g = isa.load(grad.g.as_ptr().add(pixel + channel));
        match &grad.norm {
            Some(norm) => {
                let y = isa.load(norm.y.as_ptr().add(pixel + channel));
                let a = isa.load(norm.a.as_ptr().add(channel));
                let b = isa.load(norm.b.as_ptr().add(channel));
                let c = isa.load(norm.c.as_ptr().add(channel));
                isa.mul_add(a, g, isa.mul_add(b, y, c))
            }
            None => g,
        }
    }
}

/// One image's sums of sixteen channels, by the rule of [`Sums`].
pub(crate) struct RunSums<I: Isa> {
    s1: I::V,
    s2: I::V,
}

impl<I: Isa> RunSums<I> {
    /// Nothing summed yet; sets the image's `f64` sums to 0.
    ///
    /// # Safety
    /// Rows `2 * image` and `2 * image + 1` of `sums.out` must have `column + 16` values.
    #[inline(always)]
    pub(crate) unsafe fn start(isa: I, sums: &mut Sums<'_>, image: usize, column: usize) -> Self {
        sums.out.row(2 * image)[column..column + 16].fill(0.0);
        sums.out.row(2 * image + 1)[column..column + 16].fill(0.0);
        Self { s1: isa.zero(), s2: isa.zero() }
    }

    /// Adds pixel `pixel` of `pixels`: `v` and `v * reference`.
    ///
    /// # Safety
    /// As [`RunSums::start`].
    #[inline(always)]
    pub(crate) unsafe fn add(&mut self, isa: I, v: I::V, reference: I::V) {
        self.s1 = isa.add(self.s1, v);
        self.s2 = isa.mul_add(v, reference, self.s2);
    }

    /// Ends a chain: adds it to the image's `f64` sums.
    ///
    /// # Safety
    /// As [`RunSums::start`].
    #[inline(always)]
    pub(crate) unsafe fn flush(&mut self, isa: I, sums: &mut Sums<'_>, image: usize, column: usize) {
        // SAFETY: promised by the caller.
        unsafe {
            isa.add_to_f64(sums.out.row(2 * image)[column..].as_mut_ptr(), self.s1);
            isa.add_to_f64(sums.out.row(2 * image + 1)[column..].as_mut_ptr(), self.s2);
        }
        self.s1 = isa.zero();
        self.s2 = isa.zero();
    }
}

/// Statistics of sixteen stored channels of one image: `rows` holds the image's pixels, `column` the first channel
/// within the piece, `channel` within the whole map.
///
/// # Safety
/// `column + 16` values must be readable in every row from `first_row` on, `channel + 16` in `sums.shift`.
#[inline(always)]
pub(crate) unsafe fn sum_stored<I: Isa>(
    isa: I,
    src: (*const f32, usize, usize),
    sums: &mut Sums<'_>,
    image: usize,
    at: (usize, usize),
) {
    let (ptr, pitch, pixels) = src;
    let (column, channel) = at;
    // SAFETY: promised by the caller.
    unsafe {
        let shift = isa.load(sums.shift.as_ptr().add(channel));
        let mut run = RunSums::start(isa, sums, image, column);
        let mut start = 0;
        while start < pixels {
            let end = pixels.min(start + SUM_RUN);
            for pixel in start..end {
                let v = isa.sub(isa.load(ptr.add(pixel * pitch)), shift);
                run.add(isa, v, v);
            }
            run.flush(isa, sums, image, column);
            start = end;
        }
    }
}

/// Gates and sums sixteen stored channels of one image of a sink. `pixels` pixels; `at` = (column within the piece,
/// channel within the whole map); `pitch` of the whole map.
///
/// # Safety
/// The sink's maps must hold `image + 1` images of `pixels` pixels at `pitch`, `channel + 16 <= pitch`.
#[inline(always)]
pub(crate) unsafe fn gate_and_sum<I: Isa>(
    isa: I,
    sink: &mut Sink<'_>,
    image: usize,
    pixels: usize,
    at: (usize, usize, usize),
) {
    let (column, channel, pitch) = at;
    let dst_pitch = sink.dst.pitch();
    // SAFETY: promised by the caller.
    unsafe {
        let dst = sink.dst.as_mut_ptr().add(image * pixels * dst_pitch + column);
        let map = image * pixels * pitch + channel;
        let mut start = 0;
        let mut run = match &mut sink.sums {
            Some((_, sums)) => Some(RunSums::start(isa, sums, image, column)),
            None => None,
        };
        while start < pixels {
            let end = pixels.min(start + SUM_RUN);
            for pixel in start..end {
                let to = dst.add(pixel * dst_pitch);
                let mut v = isa.load(to);
                match &sink.gate {
                    Gate::Open => {}
                    Gate::Stored(z) => {
                        let z = isa.load(z.as_ptr().add(map + pixel * pitch));
                        v = isa.select_gt(z, isa.zero(), v, isa.zero());
                        isa.store(to, v);
                    }
                    Gate::Affine { y, affine } => {
                        let y = isa.load(y.as_ptr().add(map + pixel * pitch));
                        let z = affine_of(isa, affine, y, channel);
                        v = isa.select_gt(z, isa.zero(), v, isa.zero());
                        isa.store(to, v);
                    }
                }
                if let (Some(run), Some((y, sums))) = (&mut run, &sink.sums) {
                    let y = isa.load(y.as_ptr().add(map + pixel * pitch));
                    let shift = isa.load(sums.shift.as_ptr().add(channel));
                    run.add(isa, v, isa.sub(y, shift));
                }
            }
            if let (Some(run), Some((_, sums))) = (&mut run, &mut sink.sums) {
                run.flush(isa, sums, image, column);
            }
            start = end;
        }
    }
}
