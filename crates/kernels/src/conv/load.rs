//! Filling scratch: a map is evaluated once per piece, channel-blocked (`[c / 16][row][column][16]`) and with its zero
//! border. The register tile then reads neighbouring positions from neighbouring cache lines and never tests a border.

use std::ops::Range;

use crate::LANES;
use crate::args::{FusedActivation, Grad, MapSource};
use crate::bf16::Bf16;
use crate::lanes::{GradLanes, SourceLanes};
use crate::maps::{MapPtrMut, MapRef};
use crate::simd::Isa;

/// A map that is computed where it is read.
pub(crate) trait Computed {
    /// Sixteen of its channels.
    type Lanes<I: Isa, const HALF: bool>: ComputedLanes<I> + Copy;

    /// Whether some map of it is bf16.
    fn half(&self) -> bool;

    /// Channels `channel..channel + 16`.
    ///
    /// # Safety
    /// They must lie inside every per-channel slice. Without `HALF` all maps must be `f32`.
    unsafe fn lanes<I: Isa, const HALF: bool>(&self, isa: I, channel: usize) -> Self::Lanes<I, HALF>;

    /// The map, if it is a stored one of bf16 as it is.
    fn stored(&self) -> Option<*const Bf16>;

    /// Brings the cache lines at value `index` of the maps near.
    fn bring<I: Isa>(&self, isa: I, index: usize);
}

/// Sixteen channels of a map.
pub(crate) trait ComputedLanes<I: Isa> {
    /// Their values at the pixel that starts at value `pixel`.
    ///
    /// # Safety
    /// It must lie inside the maps.
    unsafe fn at(&self, pixel: usize) -> I::V;
}

impl Computed for MapSource<'_> {
    type Lanes<I: Isa, const HALF: bool> = SourceLanes<I, HALF>;

    #[inline(always)]
    fn half(&self) -> bool {
        MapSource::half(self)
    }

    #[inline(always)]
    unsafe fn lanes<I: Isa, const HALF: bool>(&self, isa: I, channel: usize) -> SourceLanes<I, HALF> {
        // SAFETY: promised by the caller.
        unsafe { SourceLanes::new(isa, self, channel) }
    }

    #[inline(always)]
    fn stored(&self) -> Option<*const Bf16> {
        match self.main.data {
            MapRef::Bf16(map) if self.is_plain() => Some(map.as_ptr()),
            _ => None,
        }
    }

    #[inline(always)]
    fn bring<I: Isa>(&self, isa: I, index: usize) {
        isa.prefetch(self.main.data.ptr().address(index));
        if let Some(add) = &self.add {
            isa.prefetch(add.data.ptr().address(index));
        }
    }
}

impl<I: Isa, const HALF: bool> ComputedLanes<I> for SourceLanes<I, HALF> {
    #[inline(always)]
    unsafe fn at(&self, pixel: usize) -> I::V {
        // SAFETY: promised by the caller.
        unsafe { SourceLanes::at(self, pixel) }
    }
}

impl Computed for Grad<'_> {
    type Lanes<I: Isa, const HALF: bool> = GradLanes<I, HALF>;

    #[inline(always)]
    fn half(&self) -> bool {
        Grad::half(self)
    }

    #[inline(always)]
    unsafe fn lanes<I: Isa, const HALF: bool>(&self, isa: I, channel: usize) -> GradLanes<I, HALF> {
        // SAFETY: promised by the caller.
        unsafe { GradLanes::new(isa, self, channel) }
    }

    #[inline(always)]
    fn stored(&self) -> Option<*const Bf16> {
        match self.g {
            MapRef::Bf16(map) if self.norm.is_none() => Some(map.as_ptr()),
            _ => None,
        }
    }

    #[inline(always)]
    fn bring<I: Isa>(&self, isa: I, index: usize) {
        isa.prefetch(self.g.ptr().address(index));
        if let Some(norm) = &self.norm {
            isa.prefetch(norm.y.ptr().address(index));
        }
    }
}

impl<I: Isa, const HALF: bool> ComputedLanes<I> for GradLanes<I, HALF> {
    #[inline(always)]
    unsafe fn at(&self, pixel: usize) -> I::V {
        // SAFETY: promised by the caller.
        unsafe { GradLanes::at(self, pixel) }
    }
}

/// A rectangle of one image to load; rows and columns outside the map become zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadWindow {
    /// Value index of the image's first pixel.
    pub(crate) image: usize,
    /// Distance between pixels of the map.
    pub(crate) pitch: usize,
    /// Rows and columns of the map.
    pub(crate) map: [usize; 2],
    /// First row and column of the rectangle; negative ones lie in the border.
    pub(crate) first: [isize; 2],
    /// Rows and columns of the rectangle.
    pub(crate) size: [usize; 2],
    /// Distance between its rows, and between its columns, in the map; a window with a border has [1, 1].
    pub(crate) step: [usize; 2],
}

impl LoadWindow {
    /// Columns of the rectangle left of the map, and inside it.
    #[inline(always)]
    fn columns(&self) -> [usize; 2] {
        let left = (-self.first[1]).clamp(0, self.size[1] as isize) as usize;
        let reach = (self.map[1] as isize - self.first[1]).max(0) as usize;
        let end =
            (reach.div_ceil(self.step[1]) as isize).clamp(left as isize, self.size[1] as isize) as usize;
        [left, end - left]
    }
}

/// Where blocks of channels lie in scratch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocked {
    /// The first value.
    pub(crate) data: *mut f32,
    /// From one block to the next.
    pub(crate) block_step: usize,
}

/// Loads channel blocks `blocks` of a window to `dst`.
///
/// # Safety
/// The map must hold the window's image with whole vectors of those blocks; `dst` must have room.
#[inline(always)]
pub(crate) unsafe fn blocked<I: Isa, C: Computed>(
    isa: I,
    values: &C,
    window: &LoadWindow,
    blocks: &Range<usize>,
    dst: Blocked,
) {
    // SAFETY: promised by the caller.
    unsafe {
        if values.half() {
            blocked_as::<I, C, true>(isa, values, window, blocks, dst);
        } else {
            blocked_as::<I, C, false>(isa, values, window, blocks, dst);
        }
    }
}

/// # Safety
/// As [`blocked`]; without `HALF` all maps must be `f32`.
#[inline(always)]
unsafe fn blocked_as<I: Isa, C: Computed, const HALF: bool>(
    isa: I,
    values: &C,
    window: &LoadWindow,
    blocks: &Range<usize>,
    dst: Blocked,
) {
    let Blocked { data: dst, block_step } = dst;
    let [rows, columns] = window.size;
    let [left, inside] = window.columns();
    let pitch = window.step[1] * window.pitch;
    // SAFETY: promised by the caller.
    unsafe {
        for row in 0..rows {
            let y = window.first[0] + (row * window.step[0]) as isize;
            let line = dst.add(row * columns * LANES);
            if inside == 0 || y < 0 || y >= window.map[0] as isize {
                for block in 0..blocks.end - blocks.start {
                    zero(isa, line.add(block * block_step), columns);
                }
                continue;
            }
            let x = (window.first[1] + left as isize) as usize;
            let pixel = window.image + (y as usize * window.map[1] + x) * window.pitch;
            for block in 0..blocks.end - blocks.start {
                let line = line.add(block * block_step);
                let channel = (blocks.start + block) * LANES;
                zero(isa, line, left);
                let lanes = values.lanes::<I, HALF>(isa, channel);
                for column in 0..inside {
                    isa.store(line.add((left + column) * LANES), lanes.at(pixel + column * pitch));
                }
                zero(isa, line.add((left + inside) * LANES), columns - left - inside);
            }
        }
    }
}

/// # Safety
/// `dst` must have room for `pixels` vectors.
#[inline(always)]
unsafe fn zero<I: Isa>(isa: I, dst: *mut f32, pixels: usize) {
    for pixel in 0..pixels {
        // SAFETY: promised by the caller.
        unsafe { isa.store(dst.add(pixel * LANES), isa.zero()) };
    }
}

/// Loads a window of a map with unpadded pixels (`pitch == channels`, the network's input): rows of
/// `columns * channels` values.
///
/// # Safety
/// The map must hold the window's image; `dst` must have room.
#[inline(always)]
pub(crate) unsafe fn thin<I: Isa>(isa: I, src: &MapSource<'_>, window: &LoadWindow, dst: *mut f32) {
    let [rows, columns] = window.size;
    let channels = window.pitch;
    let [left, inside] = window.columns();
    // SAFETY: promised by the caller.
    unsafe {
        for row in 0..rows {
            let y = window.first[0] + row as isize;
            let line = dst.add(row * columns * channels);
            line.write_bytes(0, columns * channels);
            if inside == 0 || y < 0 || y >= window.map[0] as isize {
                continue;
            }
            let x = (window.first[1] + left as isize) as usize;
            let from = window.image + (y as usize * window.map[1] + x) * channels;
            let line = line.add(left * channels);
            match src.main.data {
                MapRef::F32(data) if src.is_plain() => {
                    line.copy_from_nonoverlapping(data.as_ptr().add(from), inside * channels);
                }
                _ => {
                    for i in 0..inside * channels {
                        *line.add(i) = scalar(isa, src, from + i, i % channels);
                    }
                }
            }
        }
    }
}

/// One value of a source, by the same operations as sixteen.
#[inline(always)]
fn scalar<I: Isa>(isa: I, src: &MapSource<'_>, index: usize, channel: usize) -> f32 {
    let mut v = isa.zero();
    for (position, term) in [Some(&src.main), src.add.as_ref()].into_iter().flatten().enumerate() {
        let mut x = isa.splat(term.data.get(index));
        if let Some(affine) = &term.affine {
            x = isa.mul_add(x, isa.splat(affine.scale[channel]), isa.splat(affine.shift[channel]));
        }
        v = if position == 0 { x } else { isa.add(v, x) };
    }
    match src.activation {
        FusedActivation::None => {}
        FusedActivation::Relu => v = isa.relu(v),
    }
    isa.to_array(v)[0]
}

/// Evaluates the values `range` of a source, pixels at `pitch`, into a map of the same layout.
///
/// # Safety
/// Both must hold them; the range consists of whole pixels.
#[inline(always)]
pub(crate) unsafe fn evaluate<I: Isa>(
    isa: I,
    src: &MapSource<'_>,
    range: Range<usize>,
    pitch: usize,
    dst: MapPtrMut,
) {
    if !pitch.is_multiple_of(LANES) {
        for i in range {
            // SAFETY: promised by the caller.
            unsafe { dst.set(i, scalar(isa, src, i, i % pitch)) };
        }
        return;
    }
    // SAFETY: promised by the caller.
    unsafe {
        if src.half() || !dst.is_f32() {
            evaluate_as::<I, true>(isa, src, range, pitch, dst);
        } else {
            evaluate_as::<I, false>(isa, src, range, pitch, dst);
        }
    }
}

/// # Safety
/// As [`evaluate`]; the pitch must be whole vectors, and without `HALF` all maps `f32`.
#[inline(always)]
unsafe fn evaluate_as<I: Isa, const HALF: bool>(
    isa: I,
    src: &MapSource<'_>,
    range: Range<usize>,
    pitch: usize,
    dst: MapPtrMut,
) {
    // in the order of memory
    for pixel in range.step_by(pitch) {
        let mut channel = 0;
        while channel < pitch {
            // SAFETY: promised by the caller.
            unsafe {
                dst.store_as::<I, HALF>(
                    isa,
                    pixel + channel,
                    SourceLanes::<I, HALF>::new(isa, src, channel).at(pixel),
                )
            };
            channel += LANES;
        }
    }
}
