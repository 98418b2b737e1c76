//! What the forward and the backward half of planning share: buffers, steps, and where each value lives.

use plusx_kernels::{KernelEntry, LANES, Level, pitch, select};
use plusx_model::graph::{Graph, NodeId, ParamSpec};
use plusx_model::learning::Learning;

use super::buffer::{Buffer, ElementType, IMAGES, Lasting, Life};
use super::finished::{Plan, Tap};
use super::memory;
use super::mode::{Kernels, Mode, PlanSettings};
use super::pieces::PieceGrid;
use super::refs::{BufferId, NormRef, PairRef, SourceRef, SumsRef, TermRef};
use super::step::{KernelRef, PlanStep};
use super::work::{ChannelWork, StepWork};
use crate::lower::{Lowered, LoweredTerm, LoweredUnit, LoweredValue, NormId, ValueId};
use crate::params::ParamLayout;

/// Values that a step of inference may leave behind for the next run: 16 MB. In a network on pictures of 224x224 the
/// transformed filters of 256 channels (9 MB) may stay, those of 512 (38 MB) may not.
pub(super) const MOST_PREPARED: usize = 4 << 20;

/// Per-channel buffers of a batch norm.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormBuffers {
    /// What the forward sums are shifted by.
    pub(super) shift: BufferId,
    /// Batch mean and 1 / std, for the backward pass.
    pub(super) saved: BufferId,
    /// Scale and shift.
    pub(super) affine: BufferId,
}

/// A plan in the making.
pub(super) struct PlanBuilder<'a> {
    pub(super) graph: &'a Graph,
    pub(super) lowered: &'a Lowered,
    pub(super) mode: &'a Mode,
    pub(super) batch: usize,
    pub(super) kernels: Kernels,
    pub(super) learning: &'a Learning,
    pub(super) buffers: Vec<Buffer>,
    pub(super) steps: Vec<PlanStep>,
    /// Steps of inference that depend on parameters only; they come before the others.
    pub(super) prepared: Vec<PlanStep>,
    /// Whether inference makes something of parameters only in each run.
    remakes: bool,
    /// What each value and its gradient are stored as, if they are.
    pub(super) types: Vec<ElementType>,
    /// Where each stored value is.
    pub(super) stored: Vec<Option<BufferId>>,
    /// Stored views that their first reader has yet to write.
    pub(super) unwritten: Vec<bool>,
    pub(super) norms: Vec<Option<NormBuffers>>,
    /// Forward sums that a convolution takes along, by batch norm.
    pub(super) norm_sums: Vec<Option<SumsRef>>,
    /// Winners of max poolings, by unit.
    pub(super) winners: Vec<Option<BufferId>>,
    /// A buffer of zeros, if one is needed.
    pub(super) zeros: Option<BufferId>,
}

impl<'a> PlanBuilder<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        lowered: &'a Lowered,
        mode: &'a Mode,
        batch: usize,
        settings: &PlanSettings<'a>,
    ) -> Self {
        let input = graph.input_shape();
        let images = Buffer {
            name: "images".to_owned(),
            kind: ElementType::F32,
            len: batch * input.len(),
            pitch: input.c,
            offset: None,
            lasting: None,
            life: Life { first: 0, last: 0 },
        };
        Self {
            graph,
            lowered,
            mode,
            batch,
            kernels: settings.kernels,
            learning: settings.learning,
            buffers: vec![images],
            steps: Vec::new(),
            prepared: Vec::new(),
            remakes: false,
            types: types(graph, lowered, settings.kernels.precision.maps()),
            stored: vec![None; lowered.values.len()],
            unwritten: vec![false; lowered.values.len()],
            norms: vec![None; lowered.norms.len()],
            norm_sums: vec![None; lowered.norms.len()],
            winners: vec![None; lowered.units.len()],
            zeros: None,
        }
    }

    pub(super) fn label(&self, node: NodeId) -> &'a str {
        &self.graph.node(node).label
    }

    pub(super) fn value(&self, id: ValueId) -> &'a LoweredValue {
        self.lowered.value(id)
    }

    pub(super) fn value_label(&self, id: ValueId) -> &'a str {
        self.label(self.value(id).node)
    }

    pub(super) fn buffer(&mut self, name: String, kind: ElementType, len: usize, pitch: usize) -> BufferId {
        let life = Life::UNTOUCHED;
        self.buffers.push(Buffer { name, kind, len, pitch, offset: None, lasting: None, life });
        BufferId(self.buffers.len() - 1)
    }

    /// A map of the size and type of value `id`.
    pub(super) fn map(&mut self, name: String, id: ValueId) -> BufferId {
        let value = self.value(id);
        self.buffer(name, self.types[id.0], self.batch * value.len(), value.pitch)
    }

    /// Per-channel `f32` vectors.
    pub(super) fn vectors(&mut self, name: String, count: usize, pitch: usize) -> BufferId {
        self.buffer(name, ElementType::F32, count * pitch, pitch)
    }

    /// Per-image sums over value `id`.
    pub(super) fn sums(&mut self, name: String, id: ValueId) -> BufferId {
        let pitch = self.value(id).pitch;
        self.buffer(name, ElementType::F64, self.batch * 2 * pitch, pitch)
    }

    /// The two rows of sums over all images.
    pub(super) fn totals(&mut self, name: String, pitch: usize) -> BufferId {
        self.buffer(name, ElementType::F64, 2 * pitch, pitch)
    }

    pub(super) fn push(&mut self, step: PlanStep) {
        self.steps.push(step);
    }

    /// A step that makes the buffers `made` of parameters only. If they may stay, the next run of the plan leaves it out.
    pub(super) fn push_prepared(&mut self, step: PlanStep, made: &[(BufferId, Lasting)]) {
        let values: usize = made.iter().map(|(id, _)| self.buffers[id.0].len).sum();
        // outside the arena they take no memory from each caller
        if self.mode.inference() && (self.mode.shared || values <= MOST_PREPARED) {
            made.iter().for_each(|(id, lasting)| self.buffers[id.0].lasting = Some(*lasting));
            self.prepared.push(step)
        } else {
            self.remakes |= self.mode.inference();
            self.push(step)
        }
    }

    /// A step of one piece or elementwise pieces, without scratch.
    pub(super) fn push_plain(
        &mut self,
        label: String,
        kernel: KernelRef,
        pieces: PieceGrid,
        work: impl Into<StepWork>,
    ) {
        self.push(PlanStep::plain(label, kernel, pieces, work));
    }

    /// Pieces of an elementwise step over value `id`.
    pub(super) fn by_values(&self, id: ValueId) -> PieceGrid {
        PieceGrid::by_values(self.batch, self.value(id).len())
    }

    /// Where a stored value is.
    pub(super) fn place(&self, id: ValueId) -> BufferId {
        match self.stored[id.0] {
            Some(buffer) => buffer,
            None => unreachable!("{} has no memory of its own", self.value_label(id)),
        }
    }

    pub(super) fn norm_buffers(&self, id: NormId) -> NormBuffers {
        match self.norms[id.0] {
            Some(buffers) => buffers,
            None => unreachable!("{} has no buffers yet", self.label(self.lowered.norm(id).node)),
        }
    }

    /// Scale and shift of a batch norm.
    pub(super) fn affine(&self, id: NormId) -> PairRef {
        PairRef { buffer: self.norm_buffers(id).affine, pair: 0 }
    }

    pub(super) fn norm_ref(&self, id: NormId) -> NormRef {
        let norm = self.lowered.norm(id);
        let shape = self.value(norm.input).shape;
        NormRef {
            c: shape.c,
            count: self.batch * shape.pixels(),
            spec: norm.spec,
            gamma: norm.gamma,
            beta: norm.beta,
            mean: norm.mean,
            var: norm.var,
        }
    }

    /// How to read value `id` now: its memory, or the view it is.
    pub(super) fn source(&self, id: ValueId) -> SourceRef {
        match (self.stored[id.0], &self.value(id).view) {
            (Some(buffer), _) if !self.unwritten[id.0] => SourceRef::plain(buffer),
            (_, Some(view)) => SourceRef {
                main: self.term(view.main),
                add: view.add.map(|term| self.term(term)),
                activation: view.activation,
            },
            (_, None) => unreachable!("{} has no memory of its own", self.value_label(id)),
        }
    }

    pub(super) fn term(&self, term: LoweredTerm) -> TermRef {
        TermRef { data: self.place(term.value), affine: term.norm.map(|norm| self.affine(norm)) }
    }

    pub(super) fn finish(mut self, layout: &ParamLayout) -> Plan {
        let taps: Vec<Tap> = self.mode.taps.iter().map(|node| self.tap(*node)).collect();
        let wanted = self.zeros;
        if let Some(PlanStep { work: StepWork::Channel(ChannelWork::Shifts { zeros, means }), .. }) =
            self.steps.first_mut()
        {
            *zeros = wanted;
            if means.is_empty() && wanted.is_none() {
                self.steps.remove(0);
            }
        }
        let prepared = self.prepared.len();
        self.steps.splice(0..0, self.prepared);
        let steps = memory::Steps { all: &self.steps, prepared, shared: self.mode.shared };
        let arena_bytes = memory::place(&mut self.buffers, &steps, &taps);
        Plan {
            mode: self.mode.clone(),
            batch: self.batch,
            kernels: self.kernels,
            learning: learning(self.graph, self.learning),
            buffers: self.buffers,
            steps: self.steps,
            prepared,
            remakes: self.remakes,
            taps,
            arena_bytes,
            param_bytes: layout.bytes(self.mode.backward),
        }
    }

    fn tap(&self, node: NodeId) -> Tap {
        let shape = self.graph.node(node).shape;
        let buffer = match self.lowered.of_node[node.index()] {
            Some(value) => self.place(value),
            None => unreachable!("{} was asked for and has a value", self.label(node)),
        };
        Tap { buffer, shape }
    }

    /// A buffer of zeros, one vector for the widest map.
    pub(super) fn zeros(&mut self) -> BufferId {
        if let Some(zeros) = self.zeros {
            return zeros;
        }
        let widest = self.lowered.values.iter().map(|value| value.pitch).max().unwrap_or(LANES);
        let zeros = self.vectors("zeros".to_owned(), 1, widest);
        self.zeros = Some(zeros);
        zeros
    }

    /// Chooses the buffer of value `id`, the images; says whether they have to be loaded there.
    pub(super) fn place_images(&mut self, id: ValueId) -> bool {
        let load = self.value(id).pitch != self.value(id).shape.c;
        let buffer = if load { self.map(self.value_label(id).to_owned(), id) } else { IMAGES };
        self.stored[id.0] = Some(buffer);
        load
    }
}

/// The entry that the kernel table offers for `shape`.
pub(super) fn pick<S, R>(table: &'static [KernelEntry<S, R>], level: Level, shape: &S) -> KernelRef {
    let chosen = select(table, level, shape);
    let entry = table.iter().position(|entry| std::ptr::eq(entry, chosen)).unwrap_or(table.len() - 1);
    KernelRef { entry, name: chosen.name }
}

/// A step that has only one way to be done.
pub(super) const fn only(name: &'static str) -> KernelRef {
    KernelRef { entry: 0, name }
}

/// Blocks of channels.
pub(super) fn blocks(channels: usize) -> usize {
    pitch(channels) / LANES
}

/// What values are stored as: maps as `maps`. The images come as `f32`, and the output goes to the loss or to the caller as
/// such. Maps of one pixel are too small for their type to matter.
fn types(graph: &Graph, lowered: &Lowered, maps: ElementType) -> Vec<ElementType> {
    let output = lowered.of_node[graph.output().index()];
    let type_of = |(index, value): (usize, &LoweredValue)| {
        let end =
            output == Some(ValueId(index)) || matches!(lowered.units[value.unit], LoweredUnit::Images(_));
        if end || value.shape.pixels() == 1 { ElementType::F32 } else { maps }
    };
    lowered.values.iter().enumerate().map(type_of).collect()
}

/// How many parameters learn, of those that could.
fn learning(graph: &Graph, learning: &Learning) -> [usize; 2] {
    let could = |(spec, _): &(&ParamSpec, &bool)| spec.role.trainable();
    let all = graph.params.iter().zip(learning.mask()).filter(could);
    [all.clone().filter(|(_, learns)| **learns).count(), all.count()]
}
