//! Parameters as the engine keeps them.
//!
//! All that learns lies in one flat buffer with a table of offsets: filters packed for the kernels, vectors padded to
//! whole lanes. Gradients and what an optimiser remembers have buffers of the same
//! layout. Running statistics do not learn and are apart.

use std::ops::Range;

use plusx_kernels::shape::ConvShape;
use plusx_kernels::{LANES, conv, pitch};
use plusx_model::graph::{Graph, ParamId, Role};
use plusx_model::learning::Learning;
use plusx_model::params::Params;
use plusx_model::update::{OptimiserState, Rule};

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

/// A run of values of one parameter.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Chunk {
    pub(crate) range: Range<usize>,
    pub(crate) param: ParamId,
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
        for (index, (spec, filter)) in graph.params.iter().zip(filters).enumerate() {
            let end = if spec.role.trainable() { &mut learning } else { &mut running };
            let len = filter.as_ref().map_or_else(|| pitch(spec.len()), conv::packed_len);
            let range = *end..*end + len;
            *end = range.end.next_multiple_of(LANES);
            if spec.role.trainable() {
                let param = ParamId(index as u32);
                for start in range.clone().step_by(CHUNK) {
                    chunks.push(Chunk { range: start..range.end.min(start + CHUNK), param });
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

    /// What a parameter is for.
    pub(crate) fn role(&self, id: ParamId) -> Role {
        self.places[id.index()].role
    }

    /// How many parameters there are, running statistics included.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// Takes values over into a flat buffer: of what learns, or of the running statistics.
    pub(crate) fn import(&self, params: &Params, learning: bool, flat: &mut [f32]) {
        let places = self.places.iter().enumerate();
        for (index, place) in places.filter(|(_, place)| place.role.trainable() == learning) {
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

    /// Copies values out of a flat buffer in logical layout.
    pub(crate) fn export(&self, flat: &[f32], learning: bool, params: &mut Params) {
        let places = self.places.iter().enumerate();
        for (index, place) in places.filter(|(_, place)| place.role.trainable() == learning) {
            let (src, values) = (&flat[place.range.clone()], params.get_mut(ParamId(index as u32)));
            match &place.filter {
                Some(shape) => conv::unpack(shape, src, values),
                None => values.copy_from_slice(&src[..values.len()]),
            }
        }
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
    /// Those of the steps before, while they are accumulated; empty until then.
    pub(crate) held: Floats,
    pub(crate) remembered: Remembered,
    pub(crate) learning: Learning,
    pub(crate) average: Option<Average>,
}

/// The average of parameters and running statistics, in their layouts.
#[derive(Debug)]
pub(crate) struct Average {
    pub(crate) weights: Floats,
    pub(crate) running: Floats,
}

/// What the update rule remembers, in the layout of what learns.
#[derive(Debug)]
pub(crate) enum Remembered {
    /// Nothing yet.
    Nothing,
    /// Velocity of gradient descent.
    Velocity(Floats),
    /// Of AdamW.
    Moments {
        /// First moment.
        first: Floats,
        /// Second moment.
        second: Floats,
        /// Updates so far, of each parameter.
        steps: Vec<u64>,
    },
}

impl Store {
    /// Zeros.
    pub(crate) fn new(layout: ParamLayout, learning: Learning) -> Result<Self, EngineError> {
        let weights = floats(layout.learning)?;
        let running = floats(layout.running)?;
        let (gradients, held, remembered) = (Floats::empty(), Floats::empty(), Remembered::Nothing);
        Ok(Self { layout, weights, running, gradients, held, remembered, learning, average: None })
    }

    /// Holds the gradients of the last step back, so that the next can be added to them; called again, gives them back.
    pub(crate) fn hold(&mut self) -> Result<(), EngineError> {
        if self.held.is_empty() {
            self.held = floats(self.layout.learning)?;
        }
        std::mem::swap(&mut self.gradients, &mut self.held);
        Ok(())
    }

    /// Makes sure that there are gradients, and what `rule` remembers.
    pub(crate) fn prepare(&mut self, rule: Option<Rule>) -> Result<(), EngineError> {
        if self.gradients.is_empty() {
            self.gradients = floats(self.layout.learning)?;
        }
        match (rule, &self.remembered) {
            (None, _)
            | (Some(Rule::Sgd { .. }), Remembered::Velocity(_))
            | (Some(Rule::AdamW { .. }), Remembered::Moments { .. }) => {}
            (Some(Rule::Sgd { momentum, .. }), _) => {
                self.remembered = match momentum != 0.0 {
                    true => Remembered::Velocity(floats(self.layout.learning)?),
                    false => Remembered::Nothing,
                };
            }
            (Some(Rule::AdamW { .. }), _) => {
                let (first, second) = (floats(self.layout.learning)?, floats(self.layout.learning)?);
                self.remembered = Remembered::Moments { first, second, steps: vec![0; self.layout.count()] };
            }
        }
        Ok(())
    }

    /// The runs of an update that learn.
    pub(crate) fn learning_chunks(&self) -> Vec<Chunk> {
        self.layout.chunks().iter().filter(|chunk| self.learning.learns(chunk.param)).cloned().collect()
    }

    /// The running statistics that learn, each in one run.
    pub(crate) fn running_chunks(&self) -> Vec<Chunk> {
        let ids = (0..self.layout.count()).map(|index| ParamId(index as u32));
        let ids = ids.filter(|id| !self.layout.role(*id).trainable() && self.learning.learns(*id));
        ids.map(|param| Chunk { range: self.layout.range(param), param }).collect()
    }

    /// An average of zeros.
    fn no_average(&self) -> Result<Average, EngineError> {
        Ok(Average { weights: floats(self.layout.learning)?, running: floats(self.layout.running)? })
    }

    /// Starts the average as a copy of what it is an average of.
    pub(crate) fn start_average(&mut self) -> Result<(), EngineError> {
        let mut average = self.no_average()?;
        average.weights.copy_from_slice(&self.weights);
        average.running.copy_from_slice(&self.running);
        self.average = Some(average);
        Ok(())
    }

    /// The average, into parameters of the same table.
    pub(crate) fn average(&self, mut params: Params) -> Option<Params> {
        let average = self.average.as_ref()?;
        self.layout.export(&average.weights, true, &mut params);
        self.layout.export(&average.running, false, &mut params);
        Some(params)
    }

    /// Takes an average over.
    pub(crate) fn set_average(&mut self, params: Option<&Params>) -> Result<(), EngineError> {
        self.average = match params {
            None => None,
            Some(params) => {
                let mut average = self.no_average()?;
                self.layout.import(params, true, &mut average.weights);
                self.layout.import(params, false, &mut average.running);
                Some(average)
            }
        };
        Ok(())
    }

    /// Takes parameters and running statistics over.
    pub(crate) fn import(&mut self, params: &Params) {
        self.layout.import(params, true, &mut self.weights);
        self.layout.import(params, false, &mut self.running);
    }

    /// Copies parameters and running statistics out.
    pub(crate) fn export(&self, params: &mut Params) {
        self.layout.export(&self.weights, true, params);
        self.layout.export(&self.running, false, params);
    }

    /// What the update rule remembers, for parameters like `zeros`.
    pub(crate) fn optimiser_state(&self, zeros: &Params) -> Option<OptimiserState> {
        let out = |flat: &Floats| {
            let mut params = zeros.clone();
            self.layout.export(flat, true, &mut params);
            params
        };
        match &self.remembered {
            Remembered::Nothing => None,
            Remembered::Velocity(velocity) => Some(OptimiserState::Sgd { velocity: out(velocity) }),
            Remembered::Moments { first, second, steps } => Some(OptimiserState::AdamW {
                exp_avg: out(first),
                exp_avg_sq: out(second),
                steps: steps.clone(),
            }),
        }
    }

    /// Takes over what an update rule remembered.
    pub(crate) fn set_optimiser_state(&mut self, state: Option<&OptimiserState>) -> Result<(), EngineError> {
        let layout = &self.layout;
        let take = |params: &Params| {
            let mut flat = floats(layout.learning)?;
            layout.import(params, true, &mut flat);
            Ok::<_, EngineError>(flat)
        };
        self.remembered = match state {
            None => Remembered::Nothing,
            Some(OptimiserState::Sgd { velocity }) => Remembered::Velocity(take(velocity)?),
            Some(OptimiserState::AdamW { exp_avg, exp_avg_sq, steps }) => {
                Remembered::Moments { first: take(exp_avg)?, second: take(exp_avg_sq)?, steps: steps.clone() }
            }
        };
        Ok(())
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
