//! Parameters as the engine keeps them.
//!
//! All that learns lies in one flat buffer with a table of offsets: filters packed for the kernels, vectors padded to
//! whole lanes. Gradients and velocity have buffers of the same layout. Running statistics do not learn and are apart.

use std::ops::Range;

use plusx_kernels::shape::ConvShape;
use plusx_kernels::{LANES, conv, pitch};
use plusx_model::graph::{Graph, ParamId, Role};
use plusx_model::params::Params;

use crate::arena::Floats;
use crate::error::EngineError;
use crate::lower::filter;

/// Values in one piece of an update.
const CHUNK: usize = 1 << 16;

/// How one parameter is kept.
#[derive(Clone, PartialEq, Debug)]
struct ParamPlace {
    /// The packing of a filter; a vector is only padded.
    filter: Option<ConvShape>,
    role: Role,
    range: Range<usize>,
}

/// A run of values with one rule of weight decay.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Chunk {
    pub(crate) range: Range<usize>,
    /// Whether they are filters or matrices, which always decay.
    pub(crate) filter: bool,
}

/// Where every parameter is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ParamLayout {
    places: Vec<ParamPlace>,
    /// Values that learn.
    learning: usize,
    /// Values of running statistics.
    running: usize,
    chunks: Vec<Chunk>,
}

impl ParamLayout {
    /// The layout for a checked graph.
    pub(crate) fn new(graph: &Graph) -> Result<Self, EngineError> {
        let mut filters: Vec<Option<ConvShape>> = vec![None; graph.params.len()];
        for node in &graph.nodes {
            let Some(filter) = filter(graph, node) else {
                continue;
            };
            let slot = &mut filters[filter.weight.index()];
            if slot.is_some_and(|other| packing(&other) != packing(&filter.shape)) {
                let weight = graph.param(filter.weight).name.clone();
                return Err(EngineError::Shared { layer: node.label.clone(), weight });
            }
            *slot = Some(filter.shape);
        }
        let (mut learning, mut running) = (0, 0);
        let mut places = Vec::with_capacity(graph.params.len());
        let mut chunks = Vec::new();
        for (spec, filter) in graph.params.iter().zip(filters) {
            let end = if spec.role.trainable() { &mut learning } else { &mut running };
            let len = filter.as_ref().map_or_else(|| pitch(spec.len()), conv::packed_len);
            let range = *end..*end + len;
            *end = range.end.next_multiple_of(LANES);
            if spec.role.trainable() {
                let matrix = matches!(spec.role, Role::ConvWeight | Role::DenseWeight);
                for start in range.clone().step_by(CHUNK) {
                    chunks.push(Chunk { range: start..range.end.min(start + CHUNK), filter: matrix });
                }
            }
            places.push(ParamPlace { filter, role: spec.role, range });
        }
        Ok(Self { places, learning, running, chunks })
    }

    /// Where a parameter is in its flat buffer.
    pub(crate) fn range(&self, id: ParamId) -> Range<usize> {
        self.places[id.index()].range.clone()
    }

    /// The runs of an update, which cover everything that learns.
    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Bytes of the parameters, and of their gradients if they are needed.
    pub(crate) fn bytes(&self, gradients: bool) -> usize {
        let copies = if gradients { 2 } else { 1 };
        (self.learning * copies + self.running) * size_of::<f32>()
    }
}

/// What the packing of a filter depends on.
fn packing(shape: &ConvShape) -> [usize; 5] {
    [shape.c, shape.k, shape.kernel[0], shape.kernel[1], shape.groups]
}

/// The values behind a [`ParamLayout`].
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) layout: ParamLayout,
    pub(crate) weights: Floats,
    pub(crate) running: Floats,
    /// Empty until the first training step.
    pub(crate) gradients: Floats,
    /// Empty until the first step with momentum.
    pub(crate) velocity: Floats,
}

impl Store {
    /// Zeros.
    pub(crate) fn new(layout: ParamLayout) -> Result<Self, EngineError> {
        let weights = floats(layout.learning)?;
        let running = floats(layout.running)?;
        Ok(Self { layout, weights, running, gradients: Floats::empty(), velocity: Floats::empty() })
    }

    /// Makes sure that there are gradients, and a velocity if wanted.
    pub(crate) fn prepare(&mut self, velocity: bool) -> Result<(), EngineError> {
        if self.gradients.is_empty() {
            self.gradients = floats(self.layout.learning)?;
        }
        if velocity && self.velocity.is_empty() {
            self.velocity = floats(self.layout.learning)?;
        }
        Ok(())
    }

    /// Takes values over, of everything or only of what learns.
    pub(crate) fn import(&mut self, params: &Params, into: StoreBuffer) {
        for (index, place) in self.layout.places.iter().enumerate() {
            let flat = match (into, place.role.trainable()) {
                (StoreBuffer::Parameters, true) => &mut self.weights,
                (StoreBuffer::Parameters, false) => &mut self.running,
                (StoreBuffer::Velocity, true) => &mut self.velocity,
                // gradients are made here, never brought
                (StoreBuffer::Velocity, false) | (StoreBuffer::Gradients, _) => continue,
            };
            let values = params.get(ParamId(index as u32));
            let dst = &mut flat[place.range.clone()];
            match &place.filter {
                Some(shape) => conv::pack(shape, values, dst),
                None => {
                    dst[..values.len()].copy_from_slice(values);
                    dst[values.len()..].fill(0.0);
                }
            }
        }
    }

    /// Copies values out in logical layout; what is not there is 0.
    pub(crate) fn export(&self, params: &mut Params, from: StoreBuffer) {
        for (index, place) in self.layout.places.iter().enumerate() {
            let flat = match (from, place.role.trainable()) {
                (StoreBuffer::Parameters, true) => &self.weights,
                (StoreBuffer::Parameters, false) => &self.running,
                (StoreBuffer::Velocity, true) => &self.velocity,
                (StoreBuffer::Gradients, true) => &self.gradients,
                (StoreBuffer::Velocity | StoreBuffer::Gradients, false) => continue,
            };
            let Some(src) = flat.get(place.range.clone()) else {
                continue;
            };
            let values = params.get_mut(ParamId(index as u32));
            match &place.filter {
                Some(shape) => conv::unpack(shape, src, values),
                None => values.copy_from_slice(&src[..values.len()]),
            }
        }
    }
}

/// The parameters as one run has them.
#[derive(Debug)]
pub(crate) enum Held<'a> {
    /// They may change.
    Own(&'a mut Store),
    /// Others read them at the same time.
    Shared(&'a Store),
}

impl Held<'_> {
    /// To change them.
    ///
    /// # Panics
    /// If they are shared: no plan of inference has a step that changes anything.
    pub(crate) fn own(&mut self) -> &mut Store {
        match self {
            Held::Own(store) => store,
            Held::Shared(_) => panic!("a step of inference would change parameters that are shared"),
        }
    }
}

impl std::ops::Deref for Held<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        match self {
            Held::Own(store) => store,
            Held::Shared(store) => store,
        }
    }
}

/// One of the flat buffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StoreBuffer {
    /// Everything in a weight file.
    Parameters,
    /// Gradients of what learns.
    Gradients,
    /// Velocity of what learns.
    Velocity,
}

fn floats(len: usize) -> Result<Floats, EngineError> {
    let mib = (len * size_of::<f32>()) >> 20;
    Floats::zeros(len).ok_or_else(|| EngineError::Memory { mib, what: "the parameters".to_owned() })
}

/// Checks that `params` are those of `graph`.
pub(crate) fn same_table(graph: &Graph, params: &Params) -> Result<(), EngineError> {
    let problem = match params.specs().len() == graph.params.len() {
        false => Some(format!("{} parameters instead of {}", params.specs().len(), graph.params.len())),
        true => params.specs().iter().zip(&graph.params).find(|(ours, theirs)| ours != theirs).map(
            |(given, wanted)| {
                format!(
                    "{} {:?} {:?} where {} {:?} {:?} is expected",
                    given.name, given.dims, given.role, wanted.name, wanted.dims, wanted.role
                )
            },
        ),
    };
    problem.map_or(Ok(()), |problem| Err(EngineError::Params { problem }))
}
