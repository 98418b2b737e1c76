//! Products of all outputs of a group with the filters of a piece, two tiles by two at a time, and their way out.

use super::grid::{MadeAxis, Planes};
use crate::LANES;
use crate::bf16::Bf16;
use crate::conv::finish::Finishing;
use crate::conv::target::TileTarget;
use crate::maps::MapPtrMut;
use crate::simd::Isa;
use crate::simd::pairs::TILE;
use crate::simd::tiles::{ProductStep, TileProducts, TileUnit};

/// Values from one row of sums to the next.
const SUMS_ROW: usize = 2 * TILE;

/// Places and filters of a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep<'a> {
    /// The first place.
    pub(super) places: *const u8,
    /// Bytes from one place to the next.
    pub(super) place_bytes: usize,
    /// The filters of the piece's first block.
    pub(super) panels: *const u8,
    /// Bytes of the filters of a block.
    pub(super) panel_bytes: usize,
    pub(super) steps: &'a [ProductStep],
    /// 32 rows of 32 sums.
    pub(super) sums: *mut f32,
    /// How many blocks.
    pub(super) blocks: usize,
}

/// Where outputs go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outputs<'a> {
    pub(super) planes: &'a Planes,
    /// Which outputs.
    pub(super) made: [MadeAxis; 2],
    /// The first channel of the piece, of the first pixel of the first image.
    pub(super) dst: MapPtrMut,
    /// Values from one pixel to the next.
    pub(super) pitch: usize,
    /// Rows and columns of the map.
    pub(super) size: [usize; 2],
    /// First image, and first row.
    pub(super) first: [usize; 2],
    /// What happens to them, from the piece's first channel on.
    pub(super) finish: Finishing,
    /// Whether to add what is there.
    pub(super) accumulate: bool,
}

/// An output by its number.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    image: usize,
    row: usize,
    column: usize,
}

impl Sweep<'_> {
    /// All outputs of all blocks.
    ///
    /// # Safety
    /// Every place and filter of the steps must be readable, from every output's place on. The outputs must be writable, and what
    /// [`Finishing::tile`] asks for must hold.
    #[inline(always)]
    pub(super) unsafe fn run<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, outputs: &Outputs<'_>) {
        let mut block = 0;
        while block < self.blocks {
            // SAFETY: promised by the caller.
            unsafe {
                if block + 1 < self.blocks {
                    self.columns::<I, U, 2>(isa, unit, outputs, block);
                } else {
                    self.columns::<I, U, 1>(isa, unit, outputs, block);
                }
            }
            block += 2;
        }
    }

    /// # Safety
    /// As [`Sweep::run`]; there are `N` blocks from `block` on.
    #[inline(always)]
    unsafe fn columns<I: Isa, U: TileUnit, const N: usize>(
        &self,
        isa: I,
        unit: &U,
        outputs: &Outputs<'_>,
        block: usize,
    ) {
        let count = outputs.planes.numbers(&outputs.made);
        let (mut number, mut cursor) = (0, Cursor { image: 0, row: 0, column: 0 });
        while number < count {
            // SAFETY: promised by the caller.
            unsafe {
                let some = if number + TILE < count {
                    self.multiply::<I, U, 2, N>(isa, unit, block, number);
                    2 * TILE
                } else {
                    self.multiply::<I, U, 1, N>(isa, unit, block, number);
                    TILE
                };
                let some = some.min(count - number);
                outputs.put::<I, N>(isa, self.sums, &mut cursor, [some, block]);
                number += some;
            }
        }
    }

    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn multiply<I: Isa, U: TileUnit, const M: usize, const N: usize>(
        &self,
        isa: I,
        unit: &U,
        block: usize,
        number: usize,
    ) {
        let places = self.places.wrapping_add(number * self.place_bytes);
        let panels = self.panels.wrapping_add(block * self.panel_bytes);
        let (mut a, mut b) = ([places.cast::<Bf16>(); M], [panels.cast::<Bf16>(); N]);
        for m in 0..M {
            a[m] = a[m].wrapping_byte_add(m * TILE * self.place_bytes);
        }
        let mut c = [[self.sums; N]; M];
        for n in 0..N {
            b[n] = b[n].wrapping_byte_add(n * self.panel_bytes);
            for m in 0..M {
                c[m][n] = self.sums.wrapping_add(m * TILE * SUMS_ROW + n * TILE);
            }
        }
        let products = TileProducts {
            a,
            a_row: self.place_bytes,
            b,
            c,
            c_row: SUMS_ROW * size_of::<f32>(),
            add: false,
            steps: self.steps,
        };
        // SAFETY: promised by the caller.
        unsafe { unit.products(isa, &products) };
    }
}

impl Outputs<'_> {
    /// Takes `some` sums of `N` blocks out, those of numbers that stand for an output.
    ///
    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn put<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: *const f32,
        cursor: &mut Cursor,
        [some, block]: [usize; 2],
    ) {
        let [rows, columns] = self.planes.axes;
        let mut done = 0;
        while done < some {
            let run = (columns.lines - cursor.column).min(some - done);
            if cursor.row < self.made[0].count && cursor.column < self.made[1].count {
                let inside = run.min(self.made[1].count - cursor.column);
                let [y, x] = [cursor.row, cursor.column];
                let line = (self.first[0] + cursor.image) * self.size[0] + self.first[1];
                let line = (line + self.made[0].first + y * self.made[0].step) * self.size[1];
                let pixel = line + self.made[1].first + x * self.made[1].step;
                // SAFETY: promised by the caller.
                unsafe { self.line::<I, N>(isa, sums.add(done * SUMS_ROW), [pixel, inside, block]) };
            }
            done += run;
            cursor.column += run;
            if cursor.column == columns.lines {
                (cursor.row, cursor.column) = (cursor.row + 1, 0);
                if cursor.row == rows.lines {
                    (cursor.image, cursor.row) = (cursor.image + 1, 0);
                }
            }
        }
    }

    /// `count` outputs from pixel `pixel` on.
    ///
    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn line<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: *const f32,
        [pixel, count, block]: [usize; 3],
    ) {
        let mut i = 0;
        // SAFETY: promised by the caller.
        unsafe {
            while i + 4 <= count {
                self.pixels::<I, 4, N>(isa, sums.add(i * SUMS_ROW), pixel + i * self.made[1].step, block);
                i += 4;
            }
            while i < count {
                self.pixels::<I, 1, N>(isa, sums.add(i * SUMS_ROW), pixel + i * self.made[1].step, block);
                i += 1;
            }
        }
    }

    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn pixels<I: Isa, const M: usize, const N: usize>(
        &self,
        isa: I,
        sums: *const f32,
        pixel: usize,
        block: usize,
    ) {
        let channel = block * LANES;
        let mut starts = [0; M];
        let mut acc = [[isa.zero(); N]; M];
        // SAFETY: promised by the caller.
        unsafe {
            for m in 0..M {
                starts[m] = (pixel + m * self.made[1].step) * self.pitch;
                for n in 0..N {
                    acc[m][n] = isa.load(sums.add(m * SUMS_ROW + n * LANES));
                }
            }
            let Self { dst: map, pitch, ref finish, accumulate, .. } = *self;
            let mut acc = finish.tile(isa, acc, starts, channel);
            let target = TileTarget { map, pitch, channel, finish, accumulate };
            if accumulate {
                let held = target.load::<I, M, N>(isa, starts);
                for m in 0..M {
                    for n in 0..N {
                        acc[m][n] = isa.add(acc[m][n], held[m][n]);
                    }
                }
            }
            target.store(isa, acc, starts);
        }
    }
}
