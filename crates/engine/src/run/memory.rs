//! From the references of a plan to slices: whole maps for a step, and the part of them that one piece works on.

use std::ops::Range;
use std::sync::Arc;

use plusx_kernels::LANES;
use plusx_kernels::args::{Affine, Finish, Gate, Grad, GradNorm, MapSource, MapTerm, Sink, Sums};
use plusx_kernels::bf16::Bf16;
use plusx_kernels::maps::MapRef;

use crate::arena::{DisjointWindows, Floats, Lender, MapWindows, Plain, WindowSize};
use crate::plan::pieces::{GridPiece, PieceGrid};
use crate::plan::refs::{
    BufferId, FinishRef, GateRef, GradRef, PairRef, SinkRef, SourceRef, SumsRef, TermRef,
};
use crate::plan::{Buffer, ElementType, IMAGES, Plan};

/// The buffers of a plan, lent to one step.
#[derive(Debug)]
pub(super) struct Memory<'a> {
    plan: &'a Plan,
    lender: Lender<'a>,
    images: &'a [f32],
    /// What was made of parameters before and lies outside the arena, by buffer.
    made: &'a [Option<Arc<Floats>>],
}

impl<'a> Memory<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        lender: Lender<'a>,
        images: &'a [f32],
        made: &'a [Option<Arc<Floats>>],
    ) -> Self {
        Self { plan, lender, images, made }
    }

    pub(super) fn batch(&self) -> usize {
        self.plan.batch
    }

    fn buffer(&self, id: BufferId) -> &'a Buffer {
        &self.plan.buffers[id.0]
    }

    pub(super) fn pitch(&self, id: BufferId) -> usize {
        self.buffer(id).pitch
    }

    pub(super) fn read(&mut self, id: BufferId) -> &'a [f32] {
        assert_eq!(self.buffer(id).kind, ElementType::F32, "values of {}", self.buffer(id).name);
        if let Some(Some(made)) = self.made.get(id.0) {
            return &made[..self.buffer(id).len];
        }
        match self.buffer(id).offset {
            Some(offset) => self.lender.read(offset, self.buffer(id).len),
            None if id == IMAGES => self.images,
            None => panic!("{} has no place in the arena", self.buffer(id).name),
        }
    }

    /// A map, of the type that it is stored as.
    pub(super) fn map(&mut self, id: BufferId) -> MapRef<'a> {
        match self.buffer(id).kind {
            ElementType::Bf16 => self.read_as::<Bf16>(id).into(),
            _ => self.read(id).into(),
        }
    }

    pub(super) fn read_as<T: Plain>(&mut self, id: BufferId) -> &'a [T] {
        let buffer = self.buffer(id);
        assert_eq!(buffer.bytes(), buffer.len * size_of::<T>(), "values of {}", buffer.name);
        self.lender.read(self.offset(id), buffer.len)
    }

    pub(super) fn write(&mut self, id: BufferId) -> &'a mut [f32] {
        self.write_as(id)
    }

    pub(super) fn write_as<T: Plain>(&mut self, id: BufferId) -> &'a mut [T] {
        let buffer = self.buffer(id);
        assert_eq!(buffer.bytes(), buffer.len * size_of::<T>(), "values of {}", buffer.name);
        self.lender.write(self.offset(id), buffer.len)
    }

    fn offset(&self, id: BufferId) -> usize {
        match self.buffer(id).offset {
            Some(offset) => offset,
            None => panic!("{} has no place in the arena", self.buffer(id).name),
        }
    }

    /// The two vectors of a pair.
    pub(super) fn pair(&mut self, pair: PairRef) -> Affine<'a> {
        let pitch = self.pitch(pair.buffer);
        let mut vectors = self.read(pair.buffer)[2 * pair.pair * pitch..].chunks_exact(pitch);
        let mut next = || vectors.next().unwrap_or_default();
        Affine { scale: next(), shift: next() }
    }

    fn term(&mut self, term: TermRef) -> MapTerm<'a> {
        let affine = term.affine.map(|pair| self.pair(pair));
        MapTerm { data: self.map(term.data), affine }
    }

    pub(super) fn source(&mut self, src: &SourceRef) -> WholeSource<'a> {
        let main = self.term(src.main);
        let add = src.add.map(|add| self.term(add));
        WholeSource { src: MapSource { main, add, activation: src.activation }, batch: self.batch() }
    }

    pub(super) fn finish(&mut self, finish: &FinishRef) -> WholeFinish<'a> {
        let affine = finish.affine.map(|pair| self.pair(pair));
        let add = finish.add.map(|add| self.term(add));
        WholeFinish { finish: Finish { affine, add, activation: finish.activation }, batch: self.batch() }
    }

    pub(super) fn grad(&mut self, grad: &GradRef) -> WholeGrad<'a> {
        let norm = grad.norm.map(|norm| {
            let [first, second] = [0, 1].map(|pair| self.pair(PairRef { buffer: norm.coefficients, pair }));
            GradNorm { y: self.map(norm.y), a: first.scale, b: second.scale, c: first.shift }
        });
        WholeGrad { grad: Grad { g: self.map(grad.g), norm }, batch: self.batch() }
    }

    pub(super) fn sums(&mut self, sums: &SumsRef, pieces: &PieceGrid) -> WholeSums<'a> {
        let pitch = self.pitch(sums.out);
        let shift = &self.read(sums.shift)[..pitch];
        let window = WindowSize { rows: 2 * pieces.image_step(), columns: columns(pieces, pitch) };
        let out = self.write_as(sums.out);
        WholeSums { shift, out: self.lender.windows(out, pitch, window) }
    }

    /// Windows of what is kept beside a map, with `pixels` rows for each image.
    pub(super) fn windows<T: Plain>(
        &mut self,
        id: BufferId,
        pixels: usize,
        pieces: &PieceGrid,
    ) -> DisjointWindows<'a, T> {
        let pitch = self.pitch(id);
        let window = WindowSize { rows: pixels * pieces.image_step(), columns: columns(pieces, pitch) };
        let data = self.write_as(id);
        self.lender.windows(data, pitch, window)
    }

    /// Windows of a map with `pixels` rows for each image.
    pub(super) fn map_windows(&mut self, id: BufferId, pixels: usize, pieces: &PieceGrid) -> MapWindows<'a> {
        let rows = pixels * pieces.image_step();
        self.cut_map(id, WindowSize { rows, columns: columns(pieces, self.pitch(id)) })
    }

    /// Windows of size `window` of a map.
    pub(super) fn cut_map(&mut self, id: BufferId, window: WindowSize) -> MapWindows<'a> {
        let pitch = self.pitch(id);
        match self.buffer(id).kind {
            ElementType::Bf16 => {
                let data = self.write_as::<Bf16>(id);
                MapWindows::Bf16(self.lender.windows(data, pitch, window))
            }
            _ => {
                let data = self.write(id);
                MapWindows::F32(self.lender.windows(data, pitch, window))
            }
        }
    }

    /// Windows of size `window` of rows of `pitch` values.
    pub(super) fn cut<'b>(
        &mut self,
        data: &'b mut [f32],
        pitch: usize,
        window: WindowSize,
    ) -> DisjointWindows<'b, f32>
    where
        'a: 'b,
    {
        self.lender.windows(data, pitch, window)
    }

    /// Chunks of `len` values.
    pub(super) fn chunks<'b>(&mut self, data: &'b mut [f32], len: usize) -> DisjointWindows<'b, f32>
    where
        'a: 'b,
    {
        self.lender.chunks(data, len)
    }

    pub(super) fn sink(&mut self, sink: &SinkRef, pixels: usize, pieces: &PieceGrid) -> WholeSink<'a> {
        let gate = match sink.gate {
            GateRef::Open => Gate::Open,
            GateRef::Stored(z) => Gate::Stored(self.map(z)),
            GateRef::Affine { y, affine } => Gate::Affine { y: self.map(y), affine: self.pair(affine) },
        };
        let sums = sink.sums.map(|sums| (self.map(sums.y), self.sums(&sums.sums, pieces)));
        let dst = self.map_windows(sink.dst, pixels, pieces);
        WholeSink { dst, accumulate: sink.accumulate, gate, sums, batch: self.batch() }
    }
}

/// Columns of one piece's window: its blocks of channels, or everything if the step is not cut by blocks.
fn columns(pieces: &PieceGrid, pitch: usize) -> usize {
    if pieces.columns() > 1 { pieces.block_step() * LANES } else { pitch }
}

/// The part of a map that belongs to some images.
pub(super) fn part<'a>(map: MapRef<'a>, images: &Range<usize>, batch: usize) -> MapRef<'a> {
    let len = map.len() / batch;
    map.slice(images.start * len..images.end * len)
}

/// As [`part`], of what is kept beside a map.
pub(super) fn part_of<'a, T>(data: &'a [T], images: &Range<usize>, batch: usize) -> &'a [T] {
    let len = data.len() / batch;
    &data[images.start * len..images.end * len]
}

/// A source over the whole batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct WholeSource<'a> {
    src: MapSource<'a>,
    batch: usize,
}

impl<'a> WholeSource<'a> {
    pub(super) fn part(&self, images: &Range<usize>) -> MapSource<'a> {
        let term =
            |term: MapTerm<'a>| MapTerm { data: part(term.data, images, self.batch), affine: term.affine };
        MapSource { main: term(self.src.main), add: self.src.add.map(term), activation: self.src.activation }
    }
}

/// What happens to the outputs of the whole batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct WholeFinish<'a> {
    finish: Finish<'a>,
    batch: usize,
}

impl<'a> WholeFinish<'a> {
    pub(super) fn part(&self, images: &Range<usize>) -> Finish<'a> {
        let add = self.finish.add.map(|add| MapTerm { data: part(add.data, images, self.batch), ..add });
        Finish { add, ..self.finish }
    }
}

/// A gradient over the whole batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct WholeGrad<'a> {
    grad: Grad<'a>,
    batch: usize,
}

impl<'a> WholeGrad<'a> {
    pub(super) fn part(&self, images: &Range<usize>) -> Grad<'a> {
        let norm = self.grad.norm.map(|norm| GradNorm { y: part(norm.y, images, self.batch), ..norm });
        Grad { g: part(self.grad.g, images, self.batch), norm }
    }
}

/// Sums over the whole batch.
#[derive(Debug)]
pub(super) struct WholeSums<'a> {
    shift: &'a [f32],
    out: DisjointWindows<'a, f64>,
}

impl<'a> WholeSums<'a> {
    pub(super) fn part(&self, piece: &GridPiece) -> Sums<'a> {
        Sums { shift: self.shift, out: self.out.take(piece.row, piece.column) }
    }
}

/// A sink over the whole batch.
#[derive(Debug)]
pub(super) struct WholeSink<'a> {
    dst: MapWindows<'a>,
    accumulate: bool,
    gate: Gate<'a>,
    sums: Option<(MapRef<'a>, WholeSums<'a>)>,
    batch: usize,
}

impl<'a> WholeSink<'a> {
    pub(super) fn part(&self, piece: &GridPiece) -> Sink<'a> {
        let images = &piece.images;
        let gate = match self.gate {
            Gate::Open => Gate::Open,
            Gate::Stored(z) => Gate::Stored(part(z, images, self.batch)),
            Gate::Affine { y, affine } => Gate::Affine { y: part(y, images, self.batch), affine },
        };
        let sums = self.sums.as_ref().map(|(y, sums)| (part(*y, images, self.batch), sums.part(piece)));
        let dst = self.dst.take(piece.row, piece.column);
        Sink { dst, accumulate: self.accumulate, gate, sums }
    }
}
