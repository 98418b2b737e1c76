//! Products of all outputs of a group with the filters of a piece, two tiles by two at a time, and their way out.

use super::numbers::{Cursor, Numbers};
use super::places::{PARTS, ReadAhead, TilePlaces};
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
    pub(super) places: TilePlaces,
    /// Of what is read, and of what is added to outputs.
    pub(super) ahead: [ReadAhead; 2],
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
    pub(super) numbers: Numbers<'a>,
    /// The first channel of the piece, of the first pixel of the first image.
    pub(super) dst: MapPtrMut,
    /// Values from one pixel to the next.
    pub(super) pitch: usize,
    /// What happens to them, from the piece's first channel on.
    pub(super) finish: Finishing,
    /// Whether to add what is there.
    pub(super) accumulate: bool,
}

/// A block of tiles on its way.
#[derive(Clone, Copy, Debug)]
struct Task<'a> {
    /// The first number, and how many there are.
    number: usize,
    count: usize,
    /// Where the first one's place is, and what is summed.
    place: *const u8,
    steps: &'a [ProductStep],
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
struct Tasks<'a> {
    next: Option<Task<'a>>,
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

impl<'a> Tasks<'a> {
    fn new(sweep: &Sweep<'a>, numbers: &Numbers<'_>) -> Self {
        let count = numbers.count();
        let cursor = Cursor::default();
        let task = Task {
            number: 0,
            count: 0,
            place: sweep.places.data,
            steps: sweep.steps,
            cursor,
            block: 0,
            two: sweep.blocks > 1,
            sums: sweep.sums,
        };
        let mut tasks = Self {
            next: (count > 0 && sweep.blocks > 0).then_some(task),
            count,
            chunk: sweep.chunk(numbers),
            first: 0,
            cursor,
            other: sweep.sums.wrapping_add(2 * TILE * SUMS_ROW),
        };
        tasks.fill(sweep, numbers);
        tasks
    }

    /// What the next task reads.
    #[inline(always)]
    fn fill(&mut self, sweep: &Sweep<'a>, numbers: &Numbers<'_>) {
        if let Some(next) = &mut self.next {
            next.count = numbers.together(self.count - next.number, &next.cursor);
            next.place = sweep.places.at(numbers.place(next.number, &next.cursor));
            next.steps = numbers.steps(sweep.steps, &next.cursor);
        }
    }

    /// The next task.
    #[inline(always)]
    fn take(&mut self, sweep: &Sweep<'a>, numbers: &Numbers<'_>) -> Option<Task<'a>> {
        let task = self.next?;
        let mut next = task;
        (next.sums, self.other) = (self.other, next.sums);
        let end = self.count.min(self.first.saturating_add(self.chunk));
        next.number += task.count;
        numbers.advance(&mut next.cursor, task.count);
        if next.number >= end {
            if next.block + 2 < sweep.blocks {
                (next.number, next.cursor) = (self.first, self.cursor);
                next.block += 2;
            } else {
                (self.first, self.cursor) = (next.number, next.cursor);
                next.block = 0;
            }
            next.two = next.block + 1 < sweep.blocks;
        }
        self.next = (next.number < self.count).then_some(next);
        self.fill(sweep, numbers);
        Some(task)
    }
}

/// Bytes of filters that the second-level cache keeps beside what else is read.
const NEAR_PANELS: usize = 5 << 18;

impl<'a> Sweep<'a> {
    /// All outputs of all blocks.
    ///
    /// # Safety
    /// Every place and filter of the steps must be readable, from every output's place on. The outputs must be writable, and what
    /// [`Finishing::tile`] asks for must hold.
    #[inline(always)]
    pub(super) unsafe fn run<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, outputs: &Outputs<'_>) {
        let mut tasks = Tasks::new(self, &outputs.numbers);
        let mut before: Option<Task<'_>> = None;
        let mut ahead = self.ahead;
        loop {
            let task = tasks.take(self, &outputs.numbers);
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
    fn chunk(&self, numbers: &Numbers<'_>) -> usize {
        if !numbers.are_stacked() && self.blocks * self.panel_bytes <= NEAR_PANELS {
            2 * TILE
        } else {
            usize::MAX
        }
    }

    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn begin<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, task: &Task<'_>) {
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
    unsafe fn multiply<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, task: &Task<'_>, part: usize) {
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
    unsafe fn end<I: Isa, U: TileUnit>(&self, isa: I, unit: &U, task: &Task<'_>) {
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
    fn products<const M: usize, const N: usize>(
        &self,
        task: &Task<'a>,
        part: usize,
    ) -> TileProducts<'a, M, N> {
        let panels = self.panels.wrapping_add(task.block * self.panel_bytes);
        let (mut a, mut b) = ([task.place.cast::<Bf16>(); M], [panels.cast::<Bf16>(); N]);
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
        let steps = task.steps.len();
        TileProducts {
            a,
            a_row: self.places.bytes,
            b,
            c,
            c_row: SUMS_ROW * size_of::<f32>(),
            add: false,
            steps: &task.steps[steps * part / PARTS..steps * (part + 1) / PARTS],
        }
    }
}

impl Outputs<'_> {
    /// Takes a part of the sums of a task of `N` blocks out, those of numbers that stand for an output.
    ///
    /// # Safety
    /// As [`Sweep::run`].
    #[inline(always)]
    unsafe fn put<I: Isa, const N: usize>(&self, isa: I, task: &mut Task<'_>, part: usize) {
        let mut done = 2 * TILE * part / PARTS;
        let end = task.count.min(2 * TILE * (part + 1) / PARTS);
        while done < end {
            let run = self.numbers.run(&task.cursor, end - done);
            if run.outputs > 0 {
                let sums = task.sums.wrapping_add(done * SUMS_ROW);
                // SAFETY: promised by the caller.
                unsafe { self.line::<I, N>(isa, sums, [run.pixel, run.outputs, task.block]) };
            }
            done += run.numbers;
            self.numbers.advance(&mut task.cursor, run.numbers);
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
                self.pixels::<I, 4, N>(isa, sums.add(i * SUMS_ROW), pixel + i * self.numbers.step(), block);
                i += 4;
            }
            while i < count {
                self.pixels::<I, 1, N>(isa, sums.add(i * SUMS_ROW), pixel + i * self.numbers.step(), block);
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
                starts[m] = (pixel + m * self.numbers.step()) * self.pitch;
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
