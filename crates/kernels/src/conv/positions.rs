//! A set of output positions that share one tap window, computed tile by tile.

use super::finish::Finishing;
use super::micro::{NextOutputs, PanelLines, Panels, ReductionPart, TapWalk, TileOperands, TileStep, tile};
use super::target::TileTarget;
use crate::LANES;
use crate::maps::{MapPtr, MapPtrMut};
use crate::simd::Isa;

/// Positions in rows, rows in images, at places in the source and in the destination that are affine in all three.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    /// Column of the first one in its row.
    pub(crate) first_column: usize,
    /// How many.
    pub(crate) count: usize,
    /// Positions in a row.
    pub(crate) columns: usize,
    /// Rows in an image; [`Positions::ENDLESS`] if rows are alike beyond images.
    pub(crate) rows: usize,
    /// Source offset (values) of the first row's start, and the step per image, row and column.
    pub(crate) a: [usize; 4],
    /// Destination pixel of the first row's start, and the step per image, row and column.
    pub(crate) d: [usize; 4],
}

impl Positions {
    /// So many rows that no image ends.
    pub(crate) const ENDLESS: usize = usize::MAX;

    /// Where number `q` is.
    #[inline(always)]
    fn place(&self, q: usize) -> Cursor {
        let (line, column) = ((self.first_column + q) / self.columns, (self.first_column + q) % self.columns);
        if self.rows == Self::ENDLESS {
            return Cursor { image: 0, row: line, column };
        }
        Cursor { image: line / self.rows, row: line % self.rows, column }
    }
}

/// A position.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    image: usize,
    row: usize,
    column: usize,
}

impl Cursor {
    /// The one behind it.
    #[inline(always)]
    fn step(&mut self, positions: &Positions) {
        self.column += 1;
        if self.column == positions.columns {
            (self.row, self.column) = (self.row + 1, 0);
            if self.row == positions.rows {
                (self.image, self.row) = (self.image + 1, 0);
            }
        }
    }

    /// Its offset by `steps` (see [`Positions`]).
    #[inline(always)]
    fn offset(&self, [first, image, row, column]: [usize; 4]) -> usize {
        first + self.image * image + self.row * row + self.column * column
    }
}

/// Blocks of output channels: the filters of one part of a piece, what they are applied to and where the results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks<'a> {
    /// Loaded source.
    pub(crate) src: *const f32,
    /// Packed filters, the part's first block first.
    pub(crate) panels: &'a [f32],
    /// Values of a block of them.
    pub(crate) block_len: usize,
    /// Blocks of a unit.
    pub(crate) unit_blocks: usize,
    /// Blocks of the first unit that lie in front of the part.
    pub(crate) blocks_in_front: usize,
    /// Values from one unit's source to the next one's.
    pub(crate) unit_step: usize,
    /// What happens to every output of the part's channels.
    pub(crate) finish: Finishing,
    /// Pixel 0, first channel of the part.
    pub(crate) dst: MapPtrMut,
    /// Distance between pixels.
    pub(crate) pitch: usize,
    /// Whether to add to what is there.
    pub(crate) accumulate: bool,
}

impl Blocks<'_> {
    /// How many.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.panels.len() / self.block_len
    }

    /// Blocks from `block` on that read the same source.
    #[inline(always)]
    fn alike(&self, block: usize) -> usize {
        let unit = self.unit_blocks;
        (self.count() - block).min(unit - (self.blocks_in_front + block) % unit)
    }

    /// The source of block `block`.
    #[inline(always)]
    pub(crate) fn source(&self, block: usize) -> *const f32 {
        self.src.wrapping_add((self.blocks_in_front + block) / self.unit_blocks * self.unit_step)
    }

    /// # Safety
    /// As [`BlockMethod::run`]; `NR` blocks from `block` on exist and read the same source.
    #[inline(always)]
    unsafe fn group<I: Isa, const MR: usize, const NR: usize>(
        &self,
        isa: I,
        positions: &Positions,
        walk: &TapWalk,
        block: usize,
    ) {
        let panels = &self.panels[block * self.block_len..(block + NR) * self.block_len];
        // SAFETY: promised by the caller.
        unsafe {
            let target = TileTarget {
                map: self.dst,
                pitch: self.pitch,
                channel: block * LANES,
                finish: &self.finish,
                accumulate: self.accumulate,
            };
            let panels = Panels { first: panels.as_ptr(), step: self.block_len };
            let tiles = TileRun { positions, walk, src: self.source(block), panels, target: &target };
            tiles.run::<I, MR, NR>(isa);
        }
    }
}

/// How blocks are computed from their loaded source.
pub(crate) trait BlockMethod {
    /// How many blocks are taken together from `block` on.
    fn width(blocks: &Blocks<'_>, block: usize) -> usize;

    /// The blocks that [`BlockMethod::width`] gives, over all positions.
    ///
    /// # Safety
    /// Every offset that the positions and the walk produce must be readable from the source and the panels, and every
    /// destination pixel writable.
    unsafe fn run<I: Isa>(isa: I, blocks: &Blocks<'_>, positions: &Positions, walk: &TapWalk, block: usize);
}

/// By register tiles of `MR` positions by `NR` blocks while as many read the same source, else by one.
pub(crate) struct RegisterTiles<const MR: usize, const NR: usize>;

impl<const MR: usize, const NR: usize> BlockMethod for RegisterTiles<MR, NR> {
    #[inline(always)]
    fn width(blocks: &Blocks<'_>, block: usize) -> usize {
        if blocks.alike(block) >= NR { NR } else { 1 }
    }

    #[inline(always)]
    unsafe fn run<I: Isa>(isa: I, blocks: &Blocks<'_>, positions: &Positions, walk: &TapWalk, block: usize) {
        // SAFETY: promised by the caller.
        unsafe {
            if Self::width(blocks, block) == NR {
                blocks.group::<I, MR, NR>(isa, positions, walk, block);
            } else {
                blocks.group::<I, MR, 1>(isa, positions, walk, block);
            }
        }
    }
}

/// Panel values that one part of a reduction reads, if a block of channels does not read more: 32 KB.
const PART: usize = 8 * 1024;

/// Blocks of channels that are one run, above which it is not cut into parts.
const LONG_RUN: usize = 16;

/// Tiles that read the panels too few times for parts to pay.
const FEW_TILES: usize = 3;

/// One tile of one part of a reduction.
struct TileStage<'a> {
    /// The tile's first position.
    q: usize,
    part: ReductionPart<'a>,
    /// Whether nothing has been added up yet.
    starts: bool,
    /// Whether nothing is added up afterwards.
    ends: bool,
}

/// `NR` blocks of channels that are computed over all positions.
#[derive(Clone, Copy)]
struct TileRun<'a> {
    positions: &'a Positions,
    walk: &'a TapWalk,
    /// Loaded source of the blocks.
    src: *const f32,
    panels: Panels,
    target: &'a TileTarget<'a>,
}

impl TileRun<'_> {
    /// Computes `NR` blocks of channels of all positions.
    ///
    /// # Safety
    /// Every offset that the positions and the walk produce must be readable from the source and the panels, and every
    /// destination pixel writable.
    #[inline(always)]
    unsafe fn run<I: Isa, const MR: usize, const NR: usize>(&self, isa: I) {
        let Self { positions, walk, target, .. } = *self;
        let count = positions.count.div_ceil(MR);
        // sums cannot wait where there is something to add to, or where they would lose bits
        let whole = count <= FEW_TILES || target.accumulate || !target.map.is_f32();
        let block = NR * walk.taps[0] * walk.taps[1] * walk.full * LANES;
        let whole = whole || walk.joined() && walk.blocks > LONG_RUN;
        let most = if whole { walk.blocks } else { (PART / block.max(1)).max(1) };
        // parts alike
        let step = walk.blocks.div_ceil(walk.blocks.div_ceil(most));
        let mut first = 0;
        while first < walk.blocks {
            let end = walk.blocks.min(first + step);
            // the next part's lines, as many for each tile and then for each tap of it
            let mut ahead = PanelLines::new(walk, end, walk.blocks.min(end + step));
            let taps = ((end - first) * walk.taps[0] * walk.taps[1]).max(1);
            let lines = ahead.left().div_ceil(count).div_ceil(taps);
            let mut q = 0;
            while q < positions.count {
                let rows = MR.min(positions.count - q);
                let part = ReductionPart { blocks: [first, end], ahead: &mut ahead, lines };
                let stage = TileStage { q, starts: first == 0, ends: end == walk.blocks, part };
                // SAFETY: promised by the caller.
                unsafe {
                    match rows {
                        1 => self.rows::<I, 1, NR>(isa, stage),
                        2 => self.rows::<I, 2, NR>(isa, stage),
                        3 => self.rows::<I, 3, NR>(isa, stage),
                        4 => self.rows::<I, 4, NR>(isa, stage),
                        5 => self.rows::<I, 5, NR>(isa, stage),
                        _ => self.rows::<I, 6, NR>(isa, stage),
                    }
                }
                q += rows;
            }
            first = end;
        }
    }

    /// # Safety
    /// As [`TileRun::run`]; `M` positions from the stage's first on exist.
    #[inline(always)]
    unsafe fn rows<I: Isa, const M: usize, const NR: usize>(&self, isa: I, mut stage: TileStage<'_>) {
        let Self { positions, walk, src, panels, target } = *self;
        let mut rows = [src; M];
        let mut pixels = [0; M];
        let mut place = positions.place(stage.q);
        let here = place.offset(positions.a);
        for m in 0..M {
            rows[m] = src.wrapping_add(place.offset(positions.a));
            pixels[m] = place.offset(positions.d) * target.pitch;
            place.step(positions);
        }
        // the way to the next tile, exact where it does not begin another row in between
        let next = place.offset(positions.a) as isize - here as isize;
        let mut acc = [[isa.zero(); NR]; M];
        let mut outputs = NextOutputs::none();
        // maps of bf16 are not asked for
        let written = match target.map {
            MapPtrMut::F32(map) => Some(map.wrapping_add(target.channel).cast_const()),
            MapPtrMut::Bf16(_) => None,
        };
        let added = match target.finish.added() {
            Some(MapPtr::F32(map)) => Some(map.wrapping_add(target.channel)),
            _ => None,
        };
        if let (true, Some(written)) = (stage.ends && walk.joined(), written) {
            outputs.maps = if added.is_some() { 2 } else { 1 };
            for m in 0..M {
                let pixel = place.offset(positions.d) * target.pitch;
                outputs.first[0][m] = written.wrapping_add(pixel);
                if let Some(added) = added {
                    outputs.first[1][m] = added.wrapping_add(pixel);
                }
                place.step(positions);
            }
        }
        // where no tile before this one has asked for them
        if stage.ends && (stage.q == 0 || !walk.joined()) {
            for m in 0..M {
                for n in 0..NR {
                    if let Some(written) = written {
                        isa.prefetch(written.wrapping_add(pixels[m] + n * LANES));
                    }
                    if let Some(added) = added {
                        isa.prefetch(added.wrapping_add(pixels[m] + n * LANES));
                    }
                }
            }
        }
        // SAFETY: promised by the caller.
        unsafe {
            if !stage.starts {
                acc = target.load(isa, pixels);
            }
            let operands = TileOperands { rows, next, panels };
            let step = TileStep { walk, part: &mut stage.part, outputs: &outputs };
            let mut acc = tile::<I, M, NR>(isa, operands, step, acc);
            if stage.ends {
                acc = target.finish.tile(isa, acc, pixels, target.channel);
                if target.accumulate {
                    let held = target.load::<I, M, NR>(isa, pixels);
                    for m in 0..M {
                        for n in 0..NR {
                            acc[m][n] = isa.add(acc[m][n], held[m][n]);
                        }
                    }
                }
            }
            target.store(isa, acc, pixels);
        }
    }
}
