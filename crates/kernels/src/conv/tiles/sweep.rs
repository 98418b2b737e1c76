//! Products of all outputs of a group with the filters of a piece, two tiles by two at a time, and their way out.

use super::grid::{MadeAxis, Planes};
use super::sizes::PLACE_BYTES;
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

/// Where the places of outputs lie, by their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Number 0.
    pub(super) data: *const u8,
    /// Bytes from one to the next.
    pub(super) bytes: usize,
    /// From this number on they lie elsewhere, `tail` on.
    pub(super) tail_from: usize,
    pub(super) tail: *const u8,
}

impl Places {
    /// All of them together.
    pub(super) fn whole(data: *const u8, bytes: usize) -> Self {
        Self { data, bytes, tail_from: usize::MAX, tail: std::ptr::null() }
    }

    fn at(&self, number: usize) -> *const u8 {
        match number < self.tail_from {
            true => self.data.wrapping_add(number * self.bytes),
            false => self.tail.wrapping_add((number - self.tail_from) * self.bytes),
        }
    }
}

/// What a sweep asks for while it multiplies: lines that are read soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// The first one, and behind the last.
    next: *const u8,
    end: *const u8,
    /// How many in each part of a task.
    lines: usize,
}

impl Ahead {
    /// Nothing.
    pub(super) const NONE: Self = Self { next: std::ptr::null(), end: std::ptr::null(), lines: 0 };

    /// `count` pixels of `bytes` bytes from `data` on, one behind the other, of outputs with `pairs` times two blocks of filters.
    pub(super) fn pixels(data: *const u8, bytes: usize, count: usize, pairs: usize) -> Self {
        // those of the first tasks are needed at once
        let next = data.wrapping_add(2 * 2 * TILE * bytes);
        let lines = (2 * TILE * bytes / PLACE_BYTES).div_ceil(pairs * PARTS);
        Self { next, end: data.wrapping_add(count * bytes), lines }
    }

    #[inline(always)]
    fn bring<I: Isa>(&mut self, isa: I) {
        for _ in 0..self.lines {
            if self.next >= self.end {
                return;
            }
            isa.prefetch_far(self.next);
            self.next = self.next.wrapping_add(PLACE_BYTES);
        }
    }
}

/// Places and filters of a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep<'a> {
    pub(super) places: Places,
    /// Of what is read, and of what is added to outputs.
    pub(super) ahead: [Ahead; 2],
    /// The filters of the piece's first block.
    pub(super) panels: *const u8,
    /// Bytes of the filters of a block.
    pub(super) panel_bytes: usize,
    pub(super) steps: &'a [ProductStep],
    /// Twice 32 rows of 32 sums.
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

impl Cursor {
    /// The output `numbers` further.
    #[inline(always)]
    fn advance(&mut self, planes: &Planes, numbers: usize) {
        let [rows, columns] = planes.axes;
        self.column += numbers;
        while self.column >= columns.lines {
            self.column -= columns.lines;
            self.row += 1;
            if self.row == rows.lines {
                (self.image, self.row) = (self.image + 1, 0);
            }
        }
    }
}

/// A block of tiles on its way.
#[derive(Clone, Copy, Debug)]
struct Task {
    /// The first output by its number, and how many there are.
    number: usize,
    count: usize,
    /// The first one that has not been taken out.
    cursor: Cursor,
    /// The first block of filters, and whether there is a second.
    block: usize,
    two: bool,
    /// Where its sums are.
    sums: *mut f32,
}

/// Tasks in their order: some outputs with all filters, two blocks at a time, before the next outputs.
#[derive(Clone, Copy, Debug)]
struct Tasks {
    next: Option<Task>,
    /// Outputs.
    count: usize,
    /// Those that come with all filters before the next: a multiple of 32.
    chunk: usize,
    /// The first of a chunk.
    first: usize,
    cursor: Cursor,
    /// Where the sums of the task behind the next one go.
    other: *mut f32,
}

impl Tasks {
    fn new(sweep: &Sweep<'_>, outputs: &Outputs<'_>) -> Self {
        let count = outputs.planes.numbers(&outputs.made);
        let cursor = Cursor { image: 0, row: 0, column: 0 };
        let sums = sweep.sums;
        let some = count.min(2 * TILE);
        let next = Task { number: 0, count: some, cursor, block: 0, two: sweep.blocks > 1, sums };
        Self {
            next: (count > 0 && sweep.blocks > 0).then_some(next),
            count,
            chunk: sweep.chunk(),
            first: 0,
            cursor,
            other: sums.wrapping_add(2 * TILE * SUMS_ROW),
        }
    }

    /// The next task.
    #[inline(always)]
    fn take(&mut self, blocks: usize, planes: &Planes) -> Option<Task> {
        let task = self.next?;
        let mut next = task;
        (next.sums, self.other) = (self.other, next.sums);
        let end = self.count.min(self.first.saturating_add(self.chunk));
        next.number += 2 * TILE;
        next.cursor.advance(planes, 2 * TILE);
        if next.number >= end {
            if next.block + 2 < blocks {
                (next.number, next.cursor) = (self.first, self.cursor);
                next.block += 2;
            } else {
                (self.first, self.cursor) = (next.number, next.cursor);
                next.block = 0;
            }
            next.two = next.block + 1 < blocks;
        }
        next.count = self.count.saturating_sub(next.number).min(2 * TILE);
        self.next = (next.count > 0).then_some(next);
        Some(task)
    }
}

/// Bytes of filters that the second-level cache keeps beside what else is read.
const NEAR_PANELS: usize = 5 << 18;

/// The work of a task is done in this many parts, in turns with that of the task before: the unit multiplies while vectors finish.
const PARTS: usize = 4;

impl Sweep<'_> {
    /// All outputs of all blocks.
    ///
    /// # Safety
    /// Every place and filter of the steps must be readable, from every output's place on. The outputs must be writable, and what
    /// [`Finishing::tile`] asks for must hold.
    #[inline(always)]
    pub(super) unsafe fn run<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, outputs: &Outputs<'_>) {
        let mut tasks = Tasks::new(self, outputs);
        let mut before: Option<Task> = None;
        let mut ahead = self.ahead;
        loop {
            let task = tasks.take(self.blocks, outputs.planes);
            // SAFETY: promised by the caller.
            unsafe {
                if let Some(task) = &task {
                    self.begin(isa, unit, task);
                }
                for part in 0..PARTS {
                    if let Some(task) = &task {
                        self.multiply(isa, unit, task, part);
                        ahead[0].bring(isa);
                        ahead[1].bring(isa);
                    }
                    match &mut before {
                        Some(before) if before.two => outputs.put::<I, 2>(isa, before, part),
                        Some(before) => outputs.put::<I, 1>(isa, before, part),
                        None => {}
                    }
                }
                if let Some(task) = &task {
                    self.end(isa, unit, task);
                } else {
                    return;
                }
            }
            before = task;
        }
    }

    /// Outputs that all blocks of filters make before the next outputs. Filters that stay in the second-level cache are read for
    /// every 32 outputs: their channels are then written one behind the other.
    fn chunk(&self) -> usize {
        if self.blocks * self.panel_bytes <= NEAR_PANELS { 2 * TILE } else { usize::MAX }
    }

    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn begin<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, task: &Task) {
        // SAFETY: promised by the caller.
        unsafe {
            match (task.count > TILE, task.two) {
                (true, true) => unit.begin(isa, &self.products::<2, 2>(task, 0)),
                (true, false) => unit.begin(isa, &self.products::<2, 1>(task, 0)),
                (false, true) => unit.begin(isa, &self.products::<1, 2>(task, 0)),
                (false, false) => unit.begin(isa, &self.products::<1, 1>(task, 0)),
            }
        }
    }

    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn multiply<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, task: &Task, part: usize) {
        // SAFETY: promised by the caller.
        unsafe {
            match (task.count > TILE, task.two) {
                (true, true) => unit.multiply(isa, &self.products::<2, 2>(task, part)),
                (true, false) => unit.multiply(isa, &self.products::<2, 1>(task, part)),
                (false, true) => unit.multiply(isa, &self.products::<1, 2>(task, part)),
                (false, false) => unit.multiply(isa, &self.products::<1, 1>(task, part)),
            }
        }
    }

    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn end<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, task: &Task) {
        // SAFETY: promised by the caller.
        unsafe {
            match (task.count > TILE, task.two) {
                (true, true) => unit.end(isa, &self.products::<2, 2>(task, 0)),
                (true, false) => unit.end(isa, &self.products::<2, 1>(task, 0)),
                (false, true) => unit.end(isa, &self.products::<1, 2>(task, 0)),
                (false, false) => unit.end(isa, &self.products::<1, 1>(task, 0)),
            }
        }
    }

    /// A part of the steps of a task.
    #[inline(always)]
    fn products<const M: usize, const N: usize>(&self, task: &Task, part: usize) -> TileProducts<'_, M, N> {
        let places = self.places.at(task.number);
        let panels = self.panels.wrapping_add(task.block * self.panel_bytes);
        let (mut a, mut b) = ([places.cast::<Bf16>(); M], [panels.cast::<Bf16>(); N]);
        for m in 0..M {
            a[m] = a[m].wrapping_byte_add(m * TILE * self.places.bytes);
        }
        let mut c = [[task.sums; N]; M];
        for n in 0..N {
            b[n] = b[n].wrapping_byte_add(n * self.panel_bytes);
            for m in 0..M {
                c[m][n] = task.sums.wrapping_add(m * TILE * SUMS_ROW + n * TILE);
            }
        }
        let steps = self.steps.len();
        TileProducts {
            a,
            a_row: self.places.bytes,
            b,
            c,
            c_row: SUMS_ROW * size_of::<f32>(),
            add: false,
            steps: &self.steps[steps * part / PARTS..steps * (part + 1) / PARTS],
        }
    }
}

impl Outputs<'_> {
    /// Takes a part of the sums of a task of `N` blocks out, those of numbers that stand for an output.
    ///
    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn put<I: Isa, const N: usize>(&self, isa: I, task: &mut Task, part: usize) {
        let (columns, cursor) = (self.planes.axes[1], &mut task.cursor);
        let mut done = 2 * TILE * part / PARTS;
        let end = task.count.min(2 * TILE * (part + 1) / PARTS);
        while done < end {
            let run = (columns.lines - cursor.column).min(end - done);
            if cursor.row < self.made[0].count && cursor.column < self.made[1].count {
                let inside = run.min(self.made[1].count - cursor.column);
                let line = (self.first[0] + cursor.image) * self.size[0] + self.first[1];
                let line = (line + self.made[0].first + cursor.row * self.made[0].step) * self.size[1];
                let pixel = line + self.made[1].first + cursor.column * self.made[1].step;
                // SAFETY: promised by the caller.
                unsafe { self.line::<I, N>(isa, task.sums.add(done * SUMS_ROW), [pixel, inside, task.block]) };
            }
            done += run;
            cursor.advance(self.planes, run);
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
